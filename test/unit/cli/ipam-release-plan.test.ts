import { describe, expect, test } from "vitest";
import type { NodeName } from "../../../src/api/names.ts";
import type { AddressUse } from "../../../src/api/node-query.ts";
import type { Pod } from "../../../src/api/objects.ts";
import { commonCandidates, type Evidence, reasonToKeep, standingOf } from "../../../src/cli/ipam-release-plan.ts";
import type { ReadReport, ReportedAllocation } from "../../../src/cli/ipam-report.ts";
import { parseIp } from "../../../src/net/ip.ts";
import { blockOf, reserve, withFirstAttribute } from "./ipam-blocks.ts";

const ip = parseIp("10.0.0.8");

function reported(address: string, more: Partial<ReportedAllocation> = {}): ReportedAllocation {
  return { ip: parseIp(address), handle: "h", sequenceNumber: 7n, inUse: false, coolingDown: false, ...more };
}

function reportOf(allocations: readonly ReportedAllocation[], handles: readonly [string, string][] = []): ReadReport {
  const leakedHandles = handles.map(([ID, Revision]) => ({ ID, UID: "u", Revision }));
  return { clusterGUID: "c", allocations, leakedHandles };
}

describe("what several reports have in common", () => {
  test("only what is not in use in all of them, and the same holding", () => {
    const first = reportOf([
      reported("10.0.0.1"),
      reported("10.0.0.2"),
      reported("10.0.0.3"),
      reported("10.0.0.4", { inUse: true }),
      reported("10.0.0.5", { coolingDown: true }),
      reported("10.0.0.6"),
    ]);
    const second = reportOf([
      reported("10.0.0.1"),
      reported("10.0.0.2", { sequenceNumber: 8n }),
      reported("10.0.0.3", { inUse: true }),
      reported("10.0.0.6", { handle: "other" }),
    ]);
    expect(commonCandidates([first, second]).addresses.map((one) => one.ip)).toEqual(["10.0.0.1"]);
    expect(commonCandidates([first]).addresses.map((one) => one.ip)).toEqual([
      ...["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.6"],
    ]);
    expect(commonCandidates([])).toEqual({ addresses: [], handles: [] });
  });

  test("a handle that has changed between them is left out", () => {
    const first = reportOf(
      [],
      [
        ["a", "1"],
        ["b", "1"],
        ["c", "1"],
      ],
    );
    const second = reportOf(
      [],
      [
        ["a", "1"],
        ["b", "2"],
      ],
    );
    expect(commonCandidates([first, second]).handles.map(({ ID }) => ID)).toEqual(["a"]);
  });
});

test("what has become of reported addresses", () => {
  const block = blockOf("10.0.0.8/29", [
    ["a", "node-1"],
    ["b", "node-1"],
    ["c", "node-1"],
  ]);
  const cooling = withFirstAttribute(blockOf("10.0.0.16/29", [["d", "node-1"]]), {
    releasedAt: "2026-11-21T10:00:00Z",
  });
  const standing = standingOf(
    [
      reported("10.0.0.8", { handle: "k8s-pod-network.a", sequenceNumber: 7n }),
      reported("10.0.0.9", { handle: "k8s-pod-network.b", sequenceNumber: 7n }),
      reported("10.0.0.10", { handle: "other", sequenceNumber: 9n }),
      reported("10.0.0.11"),
      reported("10.0.0.16"),
      reported("192.0.2.1"),
    ],
    [block, cooling],
  );
  expect(standing.held.map((one) => one.ip)).toEqual(["10.0.0.8"]);
  expect(standing.changed).toEqual(["10.0.0.9", "10.0.0.10"]);
  expect(standing.free).toEqual(["10.0.0.11", "10.0.0.16", "192.0.2.1"]);
});

describe("an address is kept", () => {
  const nowMs = Date.UTC(2026, 10, 21, 12);
  const gone: Evidence = { pod: { key: "default/web", found: undefined }, node: "node-1", uses: [], nowMs };
  const use: AddressUse = { ip, kind: "route", interface: "cali1", namespace: "host", pod: "default/web" };

  function keep(evidence: Partial<Evidence> = {}, timestamp?: string) {
    const secondary = timestamp === undefined ? {} : { timestamp };
    return reasonToKeep({ ip, attribute: { secondary }, sequenceNumber: 7n }, { ...gone, ...evidence });
  }

  function podOn(node: string | undefined, more: Partial<Pod> = {}): Partial<Evidence> {
    const bare = {
      namespace: "default",
      name: "web",
      uid: "u",
      labels: {},
      annotations: {},
      serviceAccount: "default",
    };
    const state = {
      node: node as NodeName | undefined,
      ips: [],
      annotatedIps: [],
      hostNetwork: false,
      namedPorts: [],
      finished: false,
    };
    return { pod: { key: "default/web", found: { ...bare, ...state, ...more } } };
  }

  test("unless everything says that nothing uses it", () => {
    expect(keep()).toBeUndefined();
    expect(keep({}, "2026-11-21T11:00:00Z")).toBeUndefined();
    expect(keep({}, "Sat Nov 21 10:00:00 UTC 2026")).toBeUndefined();
    expect(keep(podOn("node-1", { finished: true, ips: [ip] }))).toBeUndefined();
    expect(keep(podOn("node-2"))).toBeUndefined();
    expect(keep({ uses: [{ ...use, ip: parseIp("10.0.0.9") }] })).toBeUndefined();
  });

  test.each([
    ["no pod", { pod: undefined }, "it was given to no pod, so nobody can tell whether it is used"],
    ["its pod is there", podOn("node-1"), "pod default/web exists"],
    ["its pod is not bound yet", podOn(undefined), "pod default/web exists"],
    ["its pod has it, wherever", podOn("node-2", { ips: [ip] }), "pod default/web has it"],
    ["no node", { node: undefined }, "it names no node that could be asked"],
    ["no answer", { uses: new Error("no one") }, "node node-1 could not be asked whether it uses it: no one"],
    ["in use", { uses: [use] }, "node node-1 uses it: route cali1 of pod default/web in host"],
  ])("%s", (_, evidence, reason) => {
    const { pod, ...others } = { ...gone, ...evidence } as Evidence;
    const all = pod === undefined ? others : { ...others, pod };
    expect(reasonToKeep({ ip, attribute: {}, sequenceNumber: 7n }, all)).toBe(reason);
  });

  test("while its node holds it for pods to come, whatever is found out", () => {
    for (const evidence of [gone, { ...gone, pod: undefined }, { ...gone, uses: [use] }] as readonly Evidence[]) {
      expect(reasonToKeep({ ip, attribute: reserve, sequenceNumber: 7n }, evidence)).toBe(
        "node node-1 holds it for pods to come, or has just given it to one; its agent gives it back by itself a minute after " +
          "the node's last new pod, and garbage collection does once the node is gone",
      );
    }
  });

  test("while its pod may be being wired", () => {
    expect(keep({}, "2026-11-21T11:59:00Z")).toBe("it was given out 1m ago, and may be being wired");
    expect(keep({}, "2026-11-21T11:55:00Z")).toBeUndefined();
  });
});
