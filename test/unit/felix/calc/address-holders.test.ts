import { expect, test } from "vitest";
import { type IpamBlock, parseIpamBlock } from "../../../../src/api/ipam-block.ts";
import { namespacedName } from "../../../../src/api/names.ts";
import { AddressHolders } from "../../../../src/felix/calc/address-holders.ts";
import { parseIp } from "../../../../src/net/ip.ts";

const [web, db] = [namespacedName("shop", "web"), namespacedName("shop", "db")] as const;
const attributes = [
  { secondary: { namespace: "shop", pod: "web" } },
  { secondary: { namespace: "shop", pod: "db" } },
  { secondary: { type: "ipipTunnelAddress", node: "node-1" } },
  { secondary: { namespace: "shop", pod: "web" }, releasedAt: "2026-01-01T00:00:00Z" },
  { handle_id: "margay-reserve:node-1", secondary: { node: "node-1" } },
];

test("an address of a block is its holder's alone, and a free one nobody's", () => {
  const holders = new AddressHolders();
  holders.set("b", block("10.0.0.0/30", [0, 1, null, 2]));
  expect([web, db].map((pod) => standsFor(holders, pod))).toEqual([["10.0.0.0"], ["10.0.0.1"]]);
});

test("one that was given back and cools down is nobody's", () => {
  const holders = new AddressHolders();
  holders.set("b", block("10.0.0.0/30", [3, null, null, null]));
  expect(standsFor(holders, web)).toEqual([]);
});

test("one that a node holds for pods to come is nobody's, but taken, until the block names its pod", () => {
  const holders = new AddressHolders();
  holders.set("b", block("10.0.0.0/30", [4, null, null, null]));
  expect([standsFor(holders, web), holders.isTaken(parseIp("10.0.0.0"))]).toEqual([[], true]);
  expect(holders.set("b", block("10.0.0.0/30", [0, null, null, null]))).toEqual(["10.0.0.0"]);
  expect(standsFor(holders, web)).toEqual(["10.0.0.0"]);
});

test("of an address outside every block nothing is known", () => {
  const holders = new AddressHolders();
  holders.set("b", block("10.0.0.0/31", [null, null]));
  expect(standsFor(holders, web)).toEqual(["10.0.0.2", "10.0.0.3"]);
  expect(holders.mayStandFor(web, parseIp("fd00::1"))).toBe(true);
});

test("a pod holds an address only where a block says so, and no other block says otherwise", () => {
  const holders = new AddressHolders();
  expect(holders.isHeldBy(web, parseIp("10.0.0.0"))).toBe(false);
  holders.set("b", block("10.0.0.0/31", [0, 1]));
  expect(["10.0.0.0", "10.0.0.1", "10.0.0.2"].map((ip) => holders.isHeldBy(web, parseIp(ip)))).toEqual([
    true,
    false,
    false,
  ]);
  holders.set("c", block("10.0.0.0/30", [1, 0, null, null]));
  expect(["10.0.0.0", "10.0.0.1"].map((ip) => holders.isHeldBy(web, parseIp(ip)))).toEqual([false, false]);
});

test.for([
  ["that is about to be deleted", block("10.0.0.0/30", [null, null, null, null], true)],
  ["whose entries are not one an address", block("10.0.0.0/30", [null])],
] as const)("a block %s says nothing", ([, one]) => {
  const holders = new AddressHolders();
  expect(holders.set("b", one)).toEqual([]);
  expect(standsFor(holders, web)).toHaveLength(4);
});

test("of two blocks of one size the second still tells when the first has gone", () => {
  const holders = new AddressHolders();
  holders.set("b", block("10.0.0.2/31", [0, null]));
  holders.set("c", block("10.0.0.0/31", [0, null]));
  holders.set("b", undefined);
  expect([standsFor(holders, web), standsFor(holders, db)]).toEqual([
    ["10.0.0.0", "10.0.0.2", "10.0.0.3"],
    ["10.0.0.2", "10.0.0.3"],
  ]);
});

test("IPv6 blocks, beside IPv4 ones", () => {
  const holders = new AddressHolders();
  holders.set("b", block("fd00::/127", [0, 1]));
  holders.set("c", block("10.0.0.0/31", [0, 1]));
  expect(["fd00::", "fd00::1", "fd00::2"].map((ip) => holders.mayStandFor(db, parseIp(ip)))).toEqual([
    false,
    true,
    true,
  ]);
});

test("a change answers the addresses that have another holder, and no other", () => {
  const holders = new AddressHolders();
  expect(holders.set("b", block("10.0.0.0/30", [0, null, null, null]))).toHaveLength(4);
  expect(holders.set("b", block("10.0.0.0/30", [0, 1, null, null]))).toEqual(["10.0.0.1"]);
  expect(holders.set("b", block("10.0.0.0/30", [0, 1, null, null]))).toEqual([]);
  expect(holders.set("b", block("10.0.0.0/30", [null, 0, null, null]))).toEqual(["10.0.0.0", "10.0.0.1"]);
  expect(holders.set("b", undefined)).toHaveLength(4);
  expect(holders.set("b", undefined)).toEqual([]);
});

// --- internal ---

function block(cidr: string, allocations: (number | null)[], deleted = false): IpamBlock {
  return parseIpamBlock({ metadata: { name: "b" }, spec: { cidr, allocations, unallocated: [], attributes, deleted } });
}

/** For which of four addresses the pod may stand. */
function standsFor(holders: AddressHolders, pod: typeof web): readonly string[] {
  const all = [0, 1, 2, 3].map((last) => parseIp(`10.0.0.${last}`));
  return all.filter((ip) => holders.mayStandFor(pod, ip));
}
