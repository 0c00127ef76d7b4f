import fc from "fast-check";
import { expect, test } from "vitest";
import { NetCover } from "../../../../src/felix/dataplane/nft-cover.ts";
import { keyOfNet, rangeText } from "../../../../src/felix/dataplane/nft-elements.ts";
import { type Cidr, cidrContains, networkOf, parseCidr } from "../../../../src/net/cidr.ts";
import { type IpVersion, ipFromBytes, ipFromNumber } from "../../../../src/net/ip.ts";

/** Few bits vary, at the beginning and the end of the address space, so that networks meet. */
const corner = fc.tuple(fc.integer({ min: 0, max: 15 }), fc.constantFrom("low", "high", "ends"));
const netOf = (version: IpVersion) => {
  const bits = version === 4 ? 32 : 128;
  return fc.tuple(corner, fc.integer({ min: 0, max: 6 }), fc.boolean()).map(([[value, place], short, isLong]) => {
    const all = (1n << BigInt(bits)) - 1n;
    const low = BigInt(value);
    const address = { low, high: low << BigInt(bits - 4), ends: all - low }[place as "low" | "high" | "ends"];
    return networkOf(ipFromNumber(address, version), isLong ? bits - short : short);
  });
};

const naive = (nets: ReadonlySet<Cidr>) =>
  [...nets].filter((net) => ![...nets].some((other) => other !== net && cidrContains(other, net))).sort();

const ofNets = (nets: readonly Cidr[]) => nets.map(keyOfNet);

test.for([4, 6] as const)("what is told to the kernel is those that no other contains, IPv%d", (version) => {
  const step = fc.record({
    added: fc.array(netOf(version), { maxLength: 12 }),
    removed: fc.array(netOf(version), { maxLength: 12 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 8 }), (steps) => {
      const cover = new NetCover();
      const members = new Set<Cidr>();
      const kernel = new Set<string>();
      for (const { added, removed } of steps) {
        const delta = cover.change({ added: ofNets(added), removed: ofNets(removed) });
        for (const net of removed) members.delete(net);
        for (const net of added) members.add(net);
        // The kernel refuses to lose what it has not, and to be given what it has.
        for (const key of delta.removed) expect(kernel.delete(rangeText(key, version))).toBe(true);
        for (const key of delta.added) {
          expect(kernel.has(rangeText(key, version))).toBe(false);
          kernel.add(rangeText(key, version));
        }
        const expected = naive(members).map((net) => rangeText(keyOfNet(net), version));
        expect([...kernel].sort()).toEqual(expected.sort());
        expect(cover.size).toBe(kernel.size);
        expect([...cover.tops].map((key) => rangeText(key, version)).sort()).toEqual(expected);
      }
    }),
    { numRuns: 1000 },
  );
});

const rangeOf = (net: string) => {
  const text = rangeText(keyOfNet(net), net.includes(":") ? 6 : 4);
  const bytes = Buffer.from(text, "latin1");
  return [bytes.subarray(0, bytes.length / 2), bytes.subarray(bytes.length / 2)].map((one) => ipFromBytes(one));
};

test.for<readonly [string, string, string]>([
  ["10.0.0.1", "10.0.0.1", "10.0.0.1"],
  ["10.1.128.0/17", "10.1.128.0", "10.1.255.255"],
  ["0.0.0.0/1", "0.0.0.0", "127.255.255.255"],
  ["128.0.0.0/1", "128.0.0.0", "255.255.255.255"],
  ["0.0.0.0/0", "0.0.0.0", "255.255.255.255"],
  ["255.255.255.255/32", "255.255.255.255", "255.255.255.255"],
  ["10.0.0.77/26", "10.0.0.64", "10.0.0.127"],
  ["2001:db8::/35", "2001:db8::", "2001:db8:1fff:ffff:ffff:ffff:ffff:ffff"],
  ["8000::/1", "8000::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
  ["::ffff:1.2.3.4", "::ffff:102:304", "::ffff:102:304"],
])("%s is %s to %s", ([net, first, last]) => {
  expect(rangeOf(net)).toEqual([first, last]);
});

test("both halves of everything stay two ranges that touch, and everything swallows them", () => {
  const cover = new NetCover();
  const halves = [parseCidr("0.0.0.0/1"), parseCidr("128.0.0.0/1")];
  expect(cover.change({ added: ofNets(halves), removed: [] }).added).toHaveLength(2);
  const all = cover.change({ added: ofNets([parseCidr("0.0.0.0/0")]), removed: [] });
  expect([all.added.length, all.removed.length]).toEqual([1, 2]);
  const back = cover.change({ added: [], removed: ofNets([parseCidr("0.0.0.0/0")]) });
  expect([back.added.length, back.removed.length]).toEqual([2, 1]);
});

test.for(["10.0.0.0/33", "10.0.0.0/x", "2001:db8::/129"])("%s is refused", (net) => {
  expect(() => keyOfNet(net)).toThrow(`Cannot put ${net} into a set`);
});
