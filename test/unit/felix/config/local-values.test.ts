import { expect, test } from "vitest";
import { environmentValues, fileValues } from "../../../../src/felix/config/local-values.ts";

const texts = ({ values }: ReturnType<typeof fileValues>) =>
  Object.fromEntries([...values].map(([key, { text }]) => [key, text]));

test("the file has names and values in whatever section, with comments, quotes and either sign between", () => {
  const file = [
    "\uFEFF# a comment",
    "; another",
    "[global]",
    "HealthPort = 1",
    "  VXLANPort:2  ",
    'LogPrefix = "a # b"',
    "InterfaceExclude = /^kube/,veth1 ; behind a blank it is a comment",
    "MTUIfacePattern = ^a=b;c$",
    "Empty =",
    "[other]\r",
    "FelixHostname=n1\r",
    "",
  ].join("\n");
  const read = fileValues(file);
  expect(read.problems).toEqual([]);
  expect(texts(read)).toEqual({
    ...{ healthport: "1", vxlanport: "2", logprefix: "a # b", interfaceexclude: "/^kube/,veth1" },
    ...{ mtuifacepattern: "^a=b;c$", felixhostname: "n1" },
  });
});

test("a line that says nothing is told of by its number, and the others count", () => {
  const read = fileValues("HealthPort = 1\nnonsense\nVXLANPort = 2\n");
  expect(texts(read)).toEqual({ healthport: "1", vxlanport: "2" });
  expect(read.problems).toEqual([expect.stringContaining("line 2 of felix.cfg")]);
});

test("of a name that is there twice the last one counts, and both are named", () => {
  const read = fileValues("HealthPort = 1\nhealthport = 2\n");
  expect(texts(read)).toEqual({ healthport: "2" });
  expect(read.problems).toEqual(["felix.cfg has both HealthPort and healthport: the last one counts."]);
});

test("variables that Kubernetes makes for a Service are none of ours", () => {
  const port = "FELIX_METRICS_PORT";
  const read = environmentValues({
    ...{
      FELIX_METRICS_SERVICE_HOST: "10.0.0.1",
      FELIX_METRICS_SERVICE_PORT: "9",
      FELIX_METRICS_SERVICE_PORT_HTTP: "9",
    },
    ...{
      [port]: "tcp://10.0.0.1:9",
      [`${port}_9_TCP`]: "x",
      [`${port}_9_TCP_ADDR`]: "x",
      [`${port}_9_TCP_PROTO`]: "tcp",
    },
    ...{ FELIX_HEALTHPORT: "1", FELIX_LOG_SEVERITY: "x", HEALTHPORT: "2", FELIX_UNSET: undefined },
  });
  expect(texts(read)).toEqual({ healthport: "1", log_severity: "x" });
});
