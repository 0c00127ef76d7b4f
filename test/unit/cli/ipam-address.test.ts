import { describe, expect, test } from "vitest";
import { formatAge } from "../../../src/cli/age.ts";
import { type AddressFacts, describeAddress, formatAddress } from "../../../src/cli/ipam-address.ts";
import { withReleases } from "../../../src/ipam/release-journal.ts";
import { parseCidr } from "../../../src/net/cidr.ts";
import { parseIp } from "../../../src/net/ip.ts";
import { pool } from "../ipam/samples.ts";
import { blockOf, reserve, withFirstAttribute } from "./ipam-blocks.ts";

const nowMs = Date.UTC(2026, 10, 21, 12);
const four = pool("four", { cidr: "10.0.0.0/26", blockSize: 29 });
const db = blockOf("10.0.0.8/29", [
  ["db-1", "node-1"],
  ["db-2", "node-2"],
]);

function facts(ip: string, more: Partial<AddressFacts> = {}): AddressFacts {
  return { ip: parseIp(ip), block: db, pools: [four], reservations: [], cooldownSeconds: 60, ...more };
}

const shown = (some: AddressFacts) => formatAddress(describeAddress(some), nowMs);

test("who holds an address is said in full, in calicoctl's words first", () => {
  expect(shown(facts("10.0.0.9"))).toBe(
    [
      "IP 10.0.0.9 is in use",
      "Handle ID: k8s-pod-network.db-2",
      "Active Owner Attributes:",
      "  namespace: default",
      "  node: node-2",
      "  pod: db-2",
      "Block: 10.0.0.8/29, which is node node-1's",
      "Pool: four (10.0.0.0/26)",
      "Given to new pods: no, it is in use",
      "History: nothing is recorded",
      "",
    ].join("\n"),
  );
});

test("an allocation that says nothing of itself", () => {
  const bare = withFirstAttribute(db, {});
  expect(shown(facts("10.0.0.8", { block: bare }))).toMatch(
    /^IP 10\.0\.0\.8 is in use\nHandle ID: <none>\nNo Active Owner attributes defined\nBlock: /,
  );
});

test("what a node holds for pods to come is in use, and for that node's pods", () => {
  const held = withFirstAttribute(db, reserve);
  const ip = parseIp("10.0.0.8");
  const why = "held in advance, and given to nobody";
  const block = withReleases(held, [
    { ip, handle: "margay-reserve:node-1", node: "node-1", why, at: "2026-11-21T11:00:00Z" },
  ]);
  const report = describeAddress(facts("10.0.0.8", { block }));
  expect(report).toMatchObject({ state: "in use", assignable: false, handle: "margay-reserve:node-1" });
  expect(formatAddress(report, nowMs)).toMatch(/^IP 10\.0\.0\.8 is in use\nHandle ID: margay-reserve:node-1\n/);
  expect(formatAddress(report, nowMs)).toContain(
    "\nGiven to new pods: no, node node-1 holds it for its next pods, or has just given it to one\n" +
      "History, oldest first:\n" +
      `  2026-11-21T11:00:00Z (1h ago): freed, was held for pods to come on node-1: ${why}\n`,
  );
});

test("who is about to take an address over", () => {
  const moving = withFirstAttribute(db, { handle_id: "h", alternateOwnerAttrs: { pod: "vm-2" } });
  expect(shown(facts("10.0.0.8", { block: moving }))).toContain("\nAlternate Owner Attributes:\n  pod: vm-2\n");
});

test("the history is told oldest first, with ages, and ends with the holder of now", () => {
  const held = withFirstAttribute(db, {
    handle_id: "k8s-pod-network.db-1",
    secondary: { pod: "db-1", namespace: "default", node: "node-1", timestamp: "2026-11-21T11:59:00Z" },
  });
  const ip = parseIp("10.0.0.8");
  const block = withReleases(held, [
    { ip, handle: "h1", pod: "default/a", node: "node-1", why: "DEL", at: "2026-11-19T11:00:00Z" },
    { ip: parseIp("10.0.0.9"), handle: "h9", why: "DEL", at: "2026-11-21T10:30:00Z" },
    { ip, handle: "vxlan-tunnel-addr-x", why: "node gone", at: "2026-11-21T11:30:00Z" },
  ]);
  const text = shown(facts("10.0.0.8", { block }));
  expect(text.slice(text.indexOf("History"))).toBe(
    [
      "History, oldest first:",
      "  2026-11-19T11:00:00Z (2d1h ago): freed, was of pod default/a on node-1 (h1): DEL",
      "  2026-11-21T11:30:00Z (30m ago): freed, was of vxlan-tunnel-addr-x: node gone",
      "  2026-11-21T11:59:00Z (1m ago): given to its holder of now",
      "",
    ].join("\n"),
  );
  expect(describeAddress(facts("10.0.0.8", { block })).history).toEqual([
    { handle: "h1", pod: "default/a", node: "node-1", why: "DEL", at: "2026-11-19T11:00:00Z" },
    { handle: "vxlan-tunnel-addr-x", why: "node gone", at: "2026-11-21T11:30:00Z" },
  ]);
});

test("an address that cools down says since when and until when", () => {
  const block = withFirstAttribute(db, { releasedAt: "2026-11-21T11:59:30Z" });
  const report = describeAddress(facts("10.0.0.8", { block }));
  expect(report).toMatchObject({ state: "cooling down", freeAt: "2026-11-21T12:00:31Z", assignable: false });
  expect(formatAddress(report, nowMs)).toMatch(
    /^IP 10\.0\.0\.8 is cooling down: given back at 2026-11-21T11:59:30Z \(30s ago\); it is free in 31s\n/,
  );
  expect(formatAddress(report, nowMs + 60_000)).toContain("; its cooldown is over\n");
});

describe("whether a new pod may get a free address", () => {
  const verdict = (ip: string, more: Partial<AddressFacts> = {}) => {
    const { assignable, reason } = describeAddress(facts(ip, more));
    return [assignable, reason];
  };

  test("from a pool that gives it", () => {
    expect(verdict("10.0.0.10")).toEqual([true, "pool four (10.0.0.0/26) gives it to pods"]);
    expect(shown(facts("10.0.0.10"))).toMatch(/^10\.0\.0\.10 is not assigned\nBlock: 10\.0\.0\.8\/29/);
    expect(shown(facts("10.0.0.33", { block: undefined }))).toContain("\nBlock: none yet\nPool: four (10.0.0.0/26)\n");
  });

  test("from a pool that gives it to some", () => {
    const picky = pool("picky", {
      cidr: "10.0.0.0/26",
      assignmentMode: "Manual",
      nodeSelector: "rack == '1'",
      namespaceSelector: "team == 'a'",
    });
    expect(verdict("10.0.0.10", { pools: [picky] })).toEqual([
      true,
      "pool picky (10.0.0.0/26) gives it to pods that ask for it by name, on nodes selected by rack == '1', in namespaces selected by team == 'a'",
    ]);
  });

  test.each([
    ["of no pool", "192.0.2.1", { block: undefined }, "it is in no pool"],
    [
      "of a disabled pool",
      "10.0.0.10",
      { pools: [{ ...four, spec: { ...four.spec, disabled: true } }] },
      "is disabled",
    ],
    [
      "reserved",
      "10.0.0.10",
      {
        reservations: [
          {
            metadata: { name: "r", labels: {}, annotations: {} },
            spec: { reservedCIDRs: [parseCidr("10.0.0.10/31")] },
          },
        ],
      },
      "it is reserved",
    ],
  ] as const)("not when it is %s", (_, ip, more, reason) => {
    const report = describeAddress(facts(ip, more as Partial<AddressFacts>));
    expect(report.assignable).toBe(false);
    expect(report.reason).toContain(reason);
  });

  test("the reservation is named", () => {
    const reservations = [
      { metadata: { name: "r", labels: {}, annotations: {} }, spec: { reservedCIDRs: [parseCidr("10.0.0.8/30")] } },
    ];
    expect(shown(facts("10.0.0.9", { reservations }))).toContain("\nReserved: by IPReservation r (10.0.0.8/30)\n");
  });
});

test("what stands in an object cannot command the terminal", () => {
  const block = withFirstAttribute(db, { handle_id: "a\u001b[2Jb\nc", secondary: {} });
  expect(shown(facts("10.0.0.8", { block }))).toContain("\nHandle ID: a�[2Jb�c\n");
});

test.each([
  [0, "0s"],
  [-5000, "0s"],
  [59_999, "59s"],
  [60_000, "1m"],
  [3_725_000, "1h2m"],
  [86_400_000 * 400, "400d"],
  [86_400_000 + 3_600_000 * 5, "1d5h"],
])("%d ms are %s", (ms, text) => {
  expect(formatAge(ms)).toBe(text);
});
