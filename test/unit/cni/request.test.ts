import fc from "fast-check";
import { expect, test } from "vitest";
import {
  parseArguedTarget,
  parseFrame,
  parsePodTarget,
  parseTarget,
  type RawRequest,
  verbOf,
} from "../../../src/cni/request.ts";

function request(environment: Readonly<Record<string, string>>): RawRequest {
  return { program: "calico", environment: new Map(Object.entries(environment)), stdin: "" };
}

const good = {
  CNI_CONTAINERID: "3f69-40_a.B",
  CNI_NETNS: "/run/netns/x",
  CNI_IFNAME: "eth0",
  CNI_ARGS: "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0;K8S_POD_UID=u-1;K8S_POD_INFRA_CONTAINER_ID=3f",
};

test("a whole request is read", () => {
  expect(parsePodTarget(request(good))).toEqual({
    containerId: "3f69-40_a.B",
    interfaceName: "eth0",
    netns: "/run/netns/x",
    pod: { namespace: "shop", name: "web-0", uid: "u-1" },
    arguments: new Map([
      ["IgnoreUnknown", "1"],
      ["K8S_POD_NAMESPACE", "shop"],
      ["K8S_POD_NAME", "web-0"],
      ["K8S_POD_UID", "u-1"],
      ["K8S_POD_INFRA_CONTAINER_ID", "3f"],
    ]),
  });
});

test("another main plugin's container may be no pod, and have no namespace that is told", () => {
  const least = { CNI_CONTAINERID: "c", CNI_IFNAME: "net1", CNI_ARGS: "IP=10.0.0.1;IP=10.0.0.2" };
  expect(parseArguedTarget(request(least))).toEqual({
    containerId: "c",
    interfaceName: "net1",
    pod: undefined,
    arguments: new Map([["IP", "10.0.0.2"]]),
  });
  expect(parseArguedTarget(request(good)).pod).toEqual({ namespace: "shop", name: "web-0", uid: "u-1" });
  expect(() => parseArguedTarget(request({ ...least, CNI_ARGS: "IP" }))).toThrow(
    expect.objectContaining({ code: 4, message: expect.stringContaining('"IP"') }),
  );
  expect(() => parseArguedTarget(request({ CNI_IFNAME: "eth0" }))).toThrow(/CNI_CONTAINERID is missing/);
});

const bad: readonly (readonly [string, string])[] = [
  ["CNI_CONTAINERID", ""],
  ["CNI_CONTAINERID", ".."],
  ["CNI_CONTAINERID", "-x"],
  ["CNI_CONTAINERID", "a/b"],
  ["CNI_CONTAINERID", "x".repeat(201)],
  ["CNI_IFNAME", ""],
  ["CNI_IFNAME", "."],
  ["CNI_IFNAME", ".."],
  ["CNI_IFNAME", "a/b"],
  ["CNI_IFNAME", "a:b"],
  ["CNI_IFNAME", "a b"],
  ["CNI_IFNAME", "all"],
  ["CNI_IFNAME", "sixteen-letters-"],
  ["CNI_IFNAME", "ääääääää"],
  ["CNI_NETNS", ""],
  ["CNI_NETNS", "netns/x"],
  ["CNI_ARGS", "K8S_POD_NAMESPACE"],
  ["CNI_ARGS", "K8S_POD_NAME=web"],
  ["CNI_ARGS", "K8S_POD_NAMESPACE=shop;K8S_POD_NAME=../web"],
];
for (const [variable, value] of bad) {
  test(`ADD refuses ${variable}=${value.slice(0, 40)}`, () => {
    const target = () => parsePodTarget(request({ ...good, [variable]: value }));
    expect(target).toThrow(expect.objectContaining({ code: 4, message: expect.stringContaining(variable) }));
  });
}

test("DEL does without a namespace and a pod, but not without its names", () => {
  const least = { CNI_CONTAINERID: "c", CNI_IFNAME: "eth0", CNI_ARGS: "odd;;K8S_POD_NAME=x" };
  expect(parseTarget(request(least))).toEqual({ containerId: "c", interfaceName: "eth0", pod: undefined });
  expect(() => parseTarget(request({ CNI_IFNAME: "eth0" }))).toThrow(/CNI_CONTAINERID is missing/);
});

test("only verbs that reach the agent are known", () => {
  for (const verb of ["ADD", "DEL", "CHECK", "STATUS", "GC"]) expect(verbOf(request({ CNI_COMMAND: verb }))).toBe(verb);
  for (const verb of ["add", "", "UPDATE", "VERSION"]) {
    expect(() => verbOf(request({ CNI_COMMAND: verb }))).toThrow(expect.objectContaining({ code: 4 }));
  }
});

test("a frame gives back what the shim put in", () => {
  const word = fc.string().map((text) => text.replaceAll("\0", ""));
  const variables = fc.dictionary(fc.constantFrom("CNI_COMMAND", "CNI_ARGS", "CNI_NETNS"), word);
  fc.assert(
    fc.property(word, variables, fc.string(), (program, given, stdin) => {
      const pairs = Object.entries(given);
      const body = [program, ...pairs.map(([key, value]) => `${key}=${value}`), "", stdin].join("\0");
      expect(parseFrame(body)).toEqual({ program, environment: new Map(pairs), stdin });
    }),
  );
});

test("a frame cut short is refused", () => {
  for (const body of [
    "",
    "calico",
    "calico\0CNI_COMMAND=DEL",
    "calico\0CNI_COMMAND=DEL\0",
    "calico\0no-variable\0\0",
  ]) {
    expect(() => parseFrame(body), body).toThrow(expect.objectContaining({ code: 4 }));
  }
});
