import { describe, expect, test } from "vitest";
import type { BlockAffinity } from "../../../src/api/block-affinity.ts";
import type { IpamBlock } from "../../../src/api/ipam-block.ts";
import type { IpamHandle } from "../../../src/api/ipam-handle.ts";
import type { NodeName } from "../../../src/api/names.ts";
import type { Pod } from "../../../src/api/objects.ts";
import { checkAllocations } from "../../../src/cli/ipam-allocations.ts";
import { formatCheck } from "../../../src/cli/ipam-check-text.ts";
import { type ClusterState, podKey } from "../../../src/cli/ipam-cluster-state.ts";
import { parseReport, reportOn } from "../../../src/cli/ipam-report.ts";
import { allocationsOf } from "../../../src/ipam/block.ts";
import { formatJson } from "../../../src/kube/json.ts";
import { parseCidr } from "../../../src/net/cidr.ts";
import { parseIp } from "../../../src/net/ip.ts";
import { pool } from "../ipam/samples.ts";
import { blockOf, ownerless, reserve, withFirstAttribute } from "./ipam-blocks.ts";

const four = pool("four", { cidr: "10.0.0.0/26", blockSize: 29 });
const web = blockOf("10.0.0.8/29", [["web", "node-1"]]);

function podOf(name: string, ips: readonly string[], more: Partial<Pod> = {}): Pod {
  const bare = { namespace: "default", uid: name, labels: {}, annotations: {}, serviceAccount: "default" };
  const state = { node: "node-1" as NodeName, annotatedIps: [], hostNetwork: false, namedPorts: [], finished: false };
  return { ...bare, ...state, name, ips: ips.map(parseIp), ...more };
}

function handleOf(handleID: string, block: Readonly<Record<string, number>>): IpamHandle {
  const metadata = { name: handleID, uid: "u1", resourceVersion: "12", labels: {}, annotations: {} };
  return { metadata, spec: { handleID, block, deleted: false } };
}

function affinityOf(node: string, cidr: string, state: BlockAffinity["spec"]["state"] = "confirmed"): BlockAffinity {
  const metadata = { name: "a", labels: {}, annotations: {} };
  return { metadata, spec: { state, node, type: "host", cidr: parseCidr(cidr), deleted: false } };
}

type Some = Partial<Omit<ClusterState, "pods" | "nodes">> & {
  readonly blocks?: readonly IpamBlock[];
  readonly pods?: readonly Pod[];
  readonly nodes?: readonly string[];
};

/** A cluster in which all is well, but for what `some` says. */
function cluster({ blocks = [web], pods = [podOf("web", ["10.0.0.8"])], nodes = ["node-1"], ...some }: Some = {}) {
  return {
    clusterId: "cluster-1",
    before: blocks,
    after: blocks,
    handles: blocks.flatMap(allocationsOf).flatMap(({ attribute }) => {
      const { handle_id: id, releasedAt } = attribute;
      return id === undefined || releasedAt !== undefined ? [] : [handleOf(id, { [blockCidrOf(blocks, id)]: 1 })];
    }),
    affinities: blocks.flatMap(({ spec }) =>
      spec.affinity?.startsWith("host:") ? [affinityOf(spec.affinity.slice(5), spec.cidr)] : [],
    ),
    pools: [four],
    unreadable: [],
    nowMs: Date.UTC(2026, 10, 21, 12),
    ...some,
    pods: new Map(pods.map((pod) => [podKey(pod), pod])),
    nodes: new Set(nodes),
  } satisfies ClusterState;
}

function blockCidrOf(blocks: readonly IpamBlock[], handle: string): string {
  const found = blocks.find((block) => allocationsOf(block).some(({ attribute }) => attribute.handle_id === handle));
  return found?.spec.cidr ?? "";
}

const problems = (state: ClusterState) =>
  reportOn(state).problems.map(({ kind, subject, message }) => `${kind}: ${subject} ${message}`);

test("a sound cluster has no problems, and its address is the pod's", () => {
  expect(problems(cluster())).toEqual([]);
  expect(checkAllocations(cluster())).toEqual([
    {
      ...{ ip: "10.0.0.8", block: "10.0.0.8/29", handle: "k8s-pod-network.web", sequenceNumber: 7n },
      ...{ pod: "web", namespace: "default", node: "node-1", inUse: true, owners: ["Workload(default/web)"] },
    },
  ]);
});

describe("an address looks leaked", () => {
  test.each([
    ["pod default/web is gone", []],
    ["pod default/web has ended", [podOf("web", ["10.0.0.8"], { finished: true })]],
    ["pod default/web uses its node's network", [podOf("web", ["192.0.2.1"], { hostNetwork: true })]],
    ["pod default/web runs on node-2, not on node-1", [podOf("web", ["10.0.0.20"], { node: "node-2" as NodeName })]],
  ])("when %s", (leak, pods) => {
    const [found] = checkAllocations(cluster({ pods }));
    expect(found).toMatchObject({ inUse: false, owners: [], leak });
    const message = `leaked: 10.0.0.8 is given to k8s-pod-network.web, but ${leak}`;
    expect(problems(cluster({ pods }))).toContain(message);
  });

  test("but not when it was given out while the check went on, or anew", () => {
    const fresh = cluster({ pods: [], before: [] });
    expect(checkAllocations(fresh)).toMatchObject([{ inUse: true, owners: ["(given out during the check)"] }]);
    const { sequenceNumberForAllocation: _, ...spec } = web.spec;
    const renewed = { ...web, spec: { ...spec, sequenceNumberForAllocation: { "0": 8n } } };
    expect(problems(cluster({ pods: [], after: [renewed] })).filter((one) => one.startsWith("leaked"))).toEqual([]);
  });

  test("when its node is gone and it is a tunnel's", () => {
    const tunnel = withFirstAttribute(web, {
      handle_id: "ipip-tunnel-addr-node-9",
      secondary: { node: "node-9", type: "ipipTunnelAddress" },
    });
    expect(checkAllocations(cluster({ blocks: [tunnel], pods: [] }))[0]?.leak).toBe("node node-9 is gone");
    expect(checkAllocations(cluster({ blocks: [tunnel], pods: [], nodes: ["node-1", "node-9"] }))).toMatchObject([
      { inUse: true, owners: ["Node(node-9)"] },
    ]);
  });
});

describe("an address is taken to be in use", () => {
  test.each([
    ["its pod has not reported any", web, [podOf("web", [])], "Workload(default/web), which does not report it"],
    ["its pod reports another", web, [podOf("web", ["10.0.0.9"])], "Workload(default/web), which does not report it"],
    [
      "its pod is not scheduled, as far as is known",
      web,
      [podOf("web", [], { node: undefined })],
      "Workload(default/web), which does not report it",
    ],
    ["it names no pod", withFirstAttribute(web, { handle_id: "h" }), [], "(it names no pod; taken to be in use)"],
    [
      "Windows keeps it",
      withFirstAttribute(web, { handle_id: "windows-reserved-IPAM-handle" }),
      [],
      "Reserved for Windows",
    ],
    [
      "it is a load balancer's",
      { ...web, spec: { ...web.spec, affinity: "virtual:load-balancer" } },
      [],
      "virtual:load-balancer",
    ],
  ])("when %s", (_, block, pods, owner) => {
    expect(checkAllocations(cluster({ blocks: [block], pods }))).toMatchObject([{ inUse: true, owners: [owner] }]);
  });
});

describe("an address that a node holds for pods to come", () => {
  const held = withFirstAttribute(web, reserve);
  const state = cluster({ blocks: [held], handles: [], pods: [] });
  const leak = "leaked: 10.0.0.8 is given to margay-reserve:node-1, but node node-1 is gone";

  test("is in use, without a record of its handle", () => {
    expect(checkAllocations(state)).toMatchObject([
      { inUse: true, owners: ["Reserve of node node-1"], node: "node-1" },
    ]);
    expect(problems(state)).toEqual([]);
    expect(formatCheck(state, reportOn(state), { allIps: true, problemIps: false })).toContain(
      "  10.0.0.8 belongs to Reserve of node node-1; handle margay-reserve:node-1\n" +
        "IPAM blocks record 1 allocations, 0 of them cooling down, 0 borrowed, 1 held for pods to come.\n",
    );
  });

  test("looks leaked when its node is gone", () => {
    const gone = cluster({ blocks: [held], handles: [], pods: [], nodes: [] });
    expect(checkAllocations(gone)).toMatchObject([{ inUse: false, owners: [] }]);
    expect(problems(gone)).toContain(leak);
  });

  test("is a pod's of the node that reports it: it has just been given to it", () => {
    for (const nodes of [["node-1"], []]) {
      const given = cluster({ blocks: [held], handles: [], nodes });
      expect(checkAllocations(given)).toMatchObject([{ inUse: true, owners: ["Workload(default/web)"] }]);
      expect(problems(given).filter((one) => !one.startsWith("nodeGone"))).toEqual([]);
    }
  });

  test("is had twice when a pod of another node reports it", () => {
    const pods = [podOf("web", ["10.0.0.8"], { node: "node-2" as NodeName })];
    expect(problems(cluster({ blocks: [held], handles: [], pods }))).toEqual([
      "heldByAnother: 10.0.0.8 is used by default/web on node-2, but node node-1 holds it for pods to come",
    ]);
  });
});

test("an address that cools down is neither leaked nor in use", () => {
  const cooling = withFirstAttribute(web, { releasedAt: "2026-11-21T11:59:00Z" });
  const state = cluster({ blocks: [cooling], pods: [] });
  expect(checkAllocations(state)).toMatchObject([{ inUse: false, coolingDown: true }]);
  expect(problems(state)).toEqual([]);
  expect(problems(cluster({ blocks: [cooling] }))).toEqual([
    "notAllocated: 10.0.0.8 is used by default/web, but was given back",
  ]);
});

test("a borrowed address is marked", () => {
  const borrowed = blockOf("10.0.0.8/29", [["web", "node-2"]]);
  const pods = [podOf("web", ["10.0.0.8"], { node: "node-2" as NodeName })];
  expect(checkAllocations(cluster({ blocks: [borrowed], pods }))).toMatchObject([{ borrowed: true, node: "node-2" }]);
});

describe("addresses of pods that do not fit", () => {
  const web8 = podOf("web", ["10.0.0.8"]);
  test.each([
    [
      "held by another",
      [web8, podOf("x", ["10.0.0.8"])],
      "heldByAnother: 10.0.0.8 is used by default/x, but is given to default/web",
    ],
    ["shared", [web8, podOf("x", ["10.0.0.8"])], "shared: 10.0.0.8 is used by default/web and default/x"],
    [
      "not given out",
      [web8, podOf("x", ["10.0.0.9"])],
      "notAllocated: 10.0.0.9 of pool four is used by default/x, but is not given out",
    ],
    [
      "of no pool",
      [web8, podOf("x", ["192.0.2.7"])],
      "outsidePools: 192.0.2.7 is used by default/x, but is in no pool",
    ],
  ])("%s", (_, pods, problem) => {
    expect(problems(cluster({ pods }))).toContain(problem);
  });

  test("those of the node's network and of ended pods do not count; nor what was given back meanwhile", () => {
    const others = [
      podOf("host", ["192.0.2.7"], { hostNetwork: true }),
      podOf("done", ["10.0.0.9"], { finished: true }),
    ];
    expect(problems(cluster({ pods: [web8, ...others] }))).toEqual([]);
    const given = blockOf("10.0.0.8/29", []);
    expect(problems({ ...cluster(), after: [given] })).toEqual([]);
  });
});

describe("handles", () => {
  test("a record that names nothing is an orphan, unless its address came or went meanwhile", () => {
    const handles = [...cluster().handles, handleOf("old", { "10.0.0.8/29": 1 })];
    expect(problems(cluster({ handles }))).toEqual(["orphanedHandle: old has a record, but holds no address"]);
    expect(reportOn(cluster({ handles })).leakedHandles).toEqual([{ ID: "old", UID: "u1", Revision: "12" }]);
    const empty = blockOf("10.0.0.8/29", []);
    expect(reportOn({ ...cluster(), after: [empty] }).leakedHandles).toEqual([]);
    expect(reportOn({ ...cluster(), before: [empty] }).leakedHandles).toEqual([]);
  });

  test("one that is missing, or says otherwise than the blocks", () => {
    const held = "k8s-pod-network.web";
    expect(problems(cluster({ handles: [] }))).toEqual([`missingHandle: ${held} holds addresses, but has no record`]);
    expect(problems({ ...cluster({ handles: [] }), before: [] })).toEqual([]);
    const other = [handleOf(held, { "10.0.0.8/29": 2, "10.0.0.16/29": 0 })];
    expect(problems(cluster({ handles: other }))).toEqual([
      `inexactHandle: ${held} holds 1 of 10.0.0.8/29, but its record says 2 of 10.0.0.8/29`,
    ]);
    expect(problems(cluster({ handles: [handleOf(held, { "10.0.0.8/29": 1, "10.0.0.16/29": 0 })] }))).toEqual([]);
  });
});

describe("affinities and blocks", () => {
  const own = affinityOf("node-1", "10.0.0.8/29");
  test.each([
    [
      "a claim on nothing",
      [own, affinityOf("node-1", "10.0.0.16/29")],
      "orphanedAffinity: 10.0.0.16/29 is claimed by node node-1, which is not there",
    ],
    [
      "two claims",
      [own, affinityOf("node-2", "10.0.0.8/29")],
      "orphanedAffinity: 10.0.0.8/29 is claimed by node node-2, which is node node-1's",
    ],
    ["no claim", [], "missingAffinity: 10.0.0.8/29 is node node-1's, but there is no claim of it"],
  ])("%s", (_, affinities, problem) => {
    expect(problems(cluster({ affinities, nodes: ["node-1", "node-2"] }))).toEqual([problem]);
  });

  test("a claim that is half made is its node's to finish, while there is that node", () => {
    const affinities = [own, affinityOf("node-2", "10.0.0.16/29", "pending")];
    expect(problems(cluster({ affinities, nodes: ["node-1", "node-2"] }))).toEqual([]);
    expect(problems(cluster({ affinities }))).toEqual(["nodeGone: 10.0.0.16/29 is node node-2's, which is gone"]);
  });

  test("a block that is given up, or claimed, while the check goes on", () => {
    expect(problems({ ...cluster(), after: [] })).toEqual([]);
    expect(problems({ ...cluster({ affinities: [] }), before: [] })).toEqual([]);
  });

  test("a node that is gone", () => {
    expect(problems(cluster({ nodes: [] }))).toEqual(["nodeGone: 10.0.0.8/29 is node node-1's, which is gone"]);
  });

  test("a block of no pool, and blocks that overlap", () => {
    expect(problems(cluster({ pools: [] }))).toEqual(
      expect.arrayContaining(["blockOutsidePools: 10.0.0.8/29 is in no pool, with 1 addresses given out"]),
    );
    const inner = ownerless(blockOf("10.0.0.12/30", []));
    expect(problems(cluster({ blocks: [inner, web] }))).toEqual([
      "overlappingBlocks: 10.0.0.8/29 overlaps block 10.0.0.12/30",
    ]);
  });

  test.each([
    [{ unallocated: [0, 1, 2, 3, 4, 5, 6, 7] }, "has address 0 both given out and free"],
    [{ unallocated: [1, 2, 3, 4, 5, 6] }, "has addresses that are neither given out nor free: 7"],
    [{ unallocated: [1, 1, 2, 3, 4, 5, 6, 7] }, "lists a free address twice"],
    [{ unallocated: [1, 2, 3, 4, 5, 6, 7, 8] }, "has no address 8"],
    [{ attributes: [] }, "has no attribute 0"],
    [{ attributes: [...web.spec.attributes, {}] }, "has attribute 1, which no address has"],
    [{ allocations: web.spec.allocations.slice(0, 4), unallocated: [1, 2, 3] }, "has 4 entries for 8 addresses"],
    [
      { attributes: [{ ...web.spec.attributes[0], releasedAt: "2026-11-21T13:00:00Z" }] },
      "has an address given back in the future, at 2026-11-21T13:00:00Z",
    ],
  ])("a block that is wrong in itself: %j", (change, fault) => {
    const block = { ...web, spec: { ...web.spec, ...change } };
    expect(problems(cluster({ blocks: [block] }))).toContain(`invalidBlock: 10.0.0.8/29 ${fault}`);
  });

  test("what cannot be read is told", () => {
    const unreadable = [{ kind: "IPAMBlock", key: "b", reason: "Cannot read IPAMBlock b" }];
    expect(problems(cluster({ unreadable }))).toEqual(["unreadable: IPAMBlock b Cannot read IPAMBlock b"]);
  });
});

describe("the report", () => {
  const report = reportOn(cluster({ pods: [], handles: [handleOf("old", {})] }));

  test("comes back from its file with every digit", () => {
    const big = { ...web, spec: { ...web.spec, sequenceNumberForAllocation: { "0": 1764000000000000001n } } };
    const text = formatJson(reportOn(cluster({ blocks: [big], pods: [] })), 2);
    expect(parseReport(text, "r.json")).toEqual({
      clusterGUID: "cluster-1",
      leakedHandles: [],
      allocations: [
        {
          ...{ ip: "10.0.0.8", block: "10.0.0.8/29", handle: "k8s-pod-network.web", inUse: false, coolingDown: false },
          sequenceNumber: 1764000000000000001n,
        },
      ],
    });
  });

  test.each([
    ["not JSON", "{", /^Cannot read r\.json as a report of margay ipam check: /],
    ["no report", "{}", /^Cannot read r\.json as a report of margay ipam check: version: /],
    [
      "an address that is none",
      formatJson({ ...report, allocations: { x: [{ ip: "x", inUse: true }] } }),
      /as a report of margay ipam check: allocations\.x\.0\.ip: it must be an IPv4 or IPv6 address\. Make one with margay ipam check -o FILE$/,
    ],
    [
      "another version's",
      formatJson({ ...report, version: "v3.32.0" }),
      /^Cannot use the report r\.json: it was written by another version \(v3\.32\.0\)\. Make a new one/,
    ],
  ])("%s is refused with a sentence", (_, text, sentence) => {
    expect(() => parseReport(text, "r.json")).toThrow(sentence);
  });

  test("as text: counts always, details when they are asked for", () => {
    const state = cluster({ pods: [] });
    const details = "  10.0.0.8 is given to k8s-pod-network.web, but pod default/web is gone\n";
    const brief = formatCheck(state, reportOn(state), { allIps: false, problemIps: false });
    expect(brief).toContain(" IPAM block 10.0.0.8/29 affinity=host:node-1:\nIPAM blocks record 1 allocations");
    expect(brief).toContain("Found 1 IPs that are allocated in IPAM but not actually in use.\nFound 0 in-use IPs");
    expect(brief).toMatch(/\nCheck complete; found 1 problem\.\n$/);
    const full = formatCheck(state, reportOn(state), { allIps: true, problemIps: false });
    expect(full).toContain(`not actually in use.\n${details}`);
    expect(full).toContain("  10.0.0.8 is leaked: pod default/web is gone; handle k8s-pod-network.web\n");
    expect(formatCheck(state, reportOn(state), { allIps: false, problemIps: true })).toContain(details);
  });
});
