import { expect, test } from "vitest";
import { parseIpamBlock } from "../../../src/api/ipam-block.ts";
import type { NodeName } from "../../../src/api/names.ts";
import { emptySnapshot } from "../../../src/api/snapshot.ts";
import { planExports } from "../../../src/bgp/plan/export-policy.ts";
import { NodeCalculator } from "../../../src/felix/calc/node-calculator.ts";
import { feeds } from "../../../src/kube/fed-kinds.ts";

const node = "node-1" as NodeName;
const cidr = "10.1.0.0/16";
/** As another version of the API could have it. */
const spec = { cidr, natOutgoing: true, disableBGPExport: true, vxlanMode: "Sometimes" };
const unreadable = { metadata: { name: "p", resourceVersion: "1" }, spec };

test("a pool that cannot be read opens nothing, also for a node that never saw it readable", () => {
  expect(() => feeds.ipPool.parse(unreadable)).toThrow("Cannot read IPPool p");
  const value = feeds.ipPool.unreadable(unreadable, "");
  if (value === undefined) throw new Error("the pool counts as absent");

  const block = parseIpamBlock({
    metadata: { name: "b" },
    spec: { cidr: "10.1.0.0/30", affinity: "host:node-1", allocations: [], unallocated: [], attributes: [] },
  });
  const snapshot = { ...emptySnapshot(), ipPool: new Map([["p", value]]), ipamBlock: new Map([["b", block]]) };
  expect(planExports(snapshot, node, 4)).toMatchObject({ hidden: [cidr], pools: [] });

  const calculator = new NodeCalculator(node);
  calculator.apply([{ kind: "ipPool", key: "p", value }]);
  expect(calculator.plan()).toMatchObject({ pools: [cidr], masqueradedPools: [cidr] });
});

test("a reservation that cannot be read still reserves what can be read of it", () => {
  const json = { metadata: { name: "r" }, spec: { reservedCIDRs: ["10.1.0.0/30", "nonsense"] } };
  expect(() => feeds.ipReservation.parse(json)).toThrow("Cannot read IPReservation r");
  expect(feeds.ipReservation.unreadable(json, "")?.spec.reservedCIDRs).toEqual(["10.1.0.0/30"]);
});

test("settings of address management that cannot be read are the strictest, field by field", () => {
  const settings = { strictAffinity: "yes", maxBlocksPerHost: 4, ipCooldownSeconds: 30 };
  const json = { metadata: { name: "default" }, spec: settings };
  expect(() => feeds.ipamConfiguration.parse(json)).toThrow("Cannot read IPAMConfiguration default");
  expect(feeds.ipamConfiguration.unreadable(json, "")?.spec).toMatchObject({ ...settings, strictAffinity: true });
});

test.each(["pod", "namespace", "node", "ipamBlock", "bgpPeer"] as const)(
  "a %s that cannot be read counts as absent",
  (kind) => {
    expect(feeds[kind].unreadable({ metadata: { name: "x" } }, "why")).toBeUndefined();
  },
);
