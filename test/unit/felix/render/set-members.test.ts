import fc from "fast-check";
import { expect, test } from "vitest";
import type { PortMember } from "../../../../src/felix/calc/plan.ts";
import { netMembers, portMembers } from "../../../../src/felix/render/set-members.ts";
import { changedSet, setDelta } from "../../../../src/net/changed-set.ts";
import type { Cidr } from "../../../../src/net/cidr.ts";
import type { Ip } from "../../../../src/net/ip.ts";

const nets = [
  ...["0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "10.0.0.1", "10.0.0.1/32", "10.0.0.0/8"],
  ...["::/0", "::/1", "8000::/1", "fd00::1", "fd00::1/128", "fd00::/8"],
] as (Cidr | Ip)[];
const ports = ["10.0.0.1,6:80", "10.0.0.1,17:80", "10.0.0.1,1:0", "fd00::1,6:80"] as PortMember[];
const many = Array.from({ length: 2000 }, (_, index) => `10.${1 + (index >> 8)}.${index & 255}.1`);

const changesOf = <T>(members: readonly T[]) =>
  fc.array(fc.array(fc.tuple(fc.constantFrom(...members), fc.boolean()), { maxLength: 6 }), { maxLength: 12 });

test.each([4, 6] as const)(
  "networks of a set that changed are those of the same set made at once (IPv%s)",
  (version) => {
    fc.assert(
      fc.property(changesOf(nets), (batches) => {
        let planned: ReadonlySet<Cidr | Ip> = changedSet(new Set(many as Ip[]), new Map());
        let before = netMembers(planned, version);
        for (const batch of batches) {
          planned = changedSet(planned, new Map(batch));
          const members = netMembers(planned, version);
          const expected = netMembers(new Set(planned), version);
          expect([...members].sort()).toEqual([...expected].sort());
          const { added, removed } = setDelta(before, members);
          expect(added.every((member) => members.has(member) && !before.has(member))).toBe(true);
          expect(removed.every((member) => !members.has(member) && before.has(member))).toBe(true);
          before = members;
        }
      }),
      { numRuns: 40 },
    );
  },
);

test.each([4, 6] as const)("ports of a set that changed are those of the same set made at once (IPv%s)", (version) => {
  fc.assert(
    fc.property(changesOf(ports), (batches) => {
      let planned = changedSet(new Set(many.map((ip) => `${ip},6:1` as PortMember)), new Map());
      for (const batch of batches) {
        planned = changedSet(planned, new Map(batch));
        const expected = portMembers(new Set(planned), version);
        expect([...portMembers(planned, version)].sort()).toEqual([...expected].sort());
      }
    }),
    { numRuns: 40 },
  );
});

test("an older set may be asked for again after a newer one", () => {
  const older = changedSet(new Set(many as Ip[]), new Map());
  const newer = changedSet(older, new Map([["10.0.0.1" as Ip, true]]));
  expect(netMembers(newer, 4).size).toBe(2001);
  expect(netMembers(older, 4).has("10.0.0.1")).toBe(false);
  expect(netMembers(newer, 4).has("10.0.0.1")).toBe(true);
});
