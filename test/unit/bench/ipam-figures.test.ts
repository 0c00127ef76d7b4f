import { expect, test } from "vitest";
import { callsBetween, countOf, isLostRace, isWrite, parseCallCounts } from "../../../bench/api-calls.ts";
import { requireDistinct } from "../../../bench/distinct.ts";
import { growthExponent } from "../../../bench/ipam/growth.ts";

type Sample = [verb: string, resource: string, code: number, count: string, scope?: string];

/** One sample as kube-apiserver prints it. */
function sample(...[verb, resource, code, count, scope = "resource"]: Sample): string {
  const group = resource === "pods" ? "" : "projectcalico.org";
  return `apiserver_request_total{code="${code}",component="apiserver",dry_run="",group="${group}",resource="${resource}",scope="${scope}",subresource="",verb="${verb}",version="v3"} ${count}`;
}

test("only Calico's kinds count, and samples that differ in another label are one", () => {
  const metrics = [
    "# TYPE apiserver_request_total counter",
    sample("POST", "ipamhandles", 201, "7"),
    sample("LIST", "ipamblocks", 200, "2", "cluster"),
    sample("LIST", "ipamblocks", 200, "3", "resource"),
    sample("POST", "pods", 201, "100"),
    sample("GET", "ipamconfigurations", 404, "4"),
    'apiserver_request_duration_seconds_count{group="projectcalico.org",resource="ipamblocks",verb="PUT"} 100',
    sample("PUT", "ipamblocks", 409, "1.2e+02"),
  ].join("\n");
  expect(parseCallCounts(metrics)).toEqual([
    { resource: "ipamhandles", verb: "POST", status: 201, count: 7 },
    { resource: "ipamblocks", verb: "LIST", status: 200, count: 5 },
    { resource: "ipamconfigurations", verb: "GET", status: 404, count: 4 },
    { resource: "ipamblocks", verb: "PUT", status: 409, count: 120 },
  ]);
});

test("all resources count where all are asked for", () => {
  const metrics = [sample("POST", "ipamhandles", 201, "7"), sample("PATCH", "pods", 200, "3")].join("\n");
  expect(parseCallCounts(metrics, "all")).toEqual([
    { resource: "ipamhandles", verb: "POST", status: 201, count: 7 },
    { resource: "pods", verb: "PATCH", status: 200, count: 3 },
  ]);
});

test("between two readings lies what was added, of what was there and of what is new", () => {
  const before = parseCallCounts(
    [sample("PUT", "ipamblocks", 200, "5"), sample("GET", "ipamblocks", 200, "9")].join("\n"),
  );
  const after = parseCallCounts(
    [
      sample("PUT", "ipamblocks", 200, "8"),
      sample("GET", "ipamblocks", 200, "9"),
      sample("PUT", "ipamblocks", 409, "2"),
      sample("LIST", "blockaffinities", 200, "1"),
      sample("DELETE", "blockaffinities", 200, "4"),
    ].join("\n"),
  );
  const calls = callsBetween(before, after);
  expect(calls.map(({ verb, status, count }) => [verb, status, count])).toEqual([
    ["PUT", 200, 3],
    ["PUT", 409, 2],
    ["LIST", 200, 1],
    ["DELETE", 200, 4],
  ]);
  expect(countOf(calls, isWrite)).toBe(9);
  expect(countOf(calls, isLostRace)).toBe(2);
});

test("an address given twice, or none, makes every figure worthless", () => {
  expect(requireDistinct(["10.0.0.1", "10.0.0.2"], 2)).toBe(2);
  expect(() => requireDistinct(["10.0.0.1", "10.0.0.1"], 2)).toThrow("10.0.0.1 was given twice");
  expect(() => requireDistinct(["10.0.0.1"], 2)).toThrow("2 were wanted, 1 were given");
});

test("retries that grow with the nodes have exponent 1, with every pair of nodes 2, and none at all 0", () => {
  const rounds = (retriesOf: (nodes: number) => number) =>
    [6, 12, 25, 50].map((nodes) => ({ nodes, retries: retriesOf(nodes) }));
  expect(growthExponent(rounds((nodes) => 100 * nodes))).toBeCloseTo(1, 2);
  expect(growthExponent(rounds((nodes) => nodes ** 2))).toBeCloseTo(2, 1);
  expect(growthExponent(rounds(() => 0))).toBe(0);
});
