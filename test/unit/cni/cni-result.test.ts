import { expect, test } from "vitest";
import { formatCniResult, parseCniResult, resultAddress } from "../../../src/cni/cni-result.ts";
import { mergeResults } from "../../../src/cni/merge-result.ts";
import { type CniVersion, supportedVersions } from "../../../src/cni/net-conf.ts";
import { formatResult } from "../../../src/cni/result.ts";
import { parseIp } from "../../../src/net/ip.ts";

const full = {
  cniVersion: "1.1.0",
  interfaces: [
    { name: "host0", mac: "02:00:00:00:00:01", mtu: 1400 },
    {
      name: "net0",
      mac: "02:00:00:00:00:02",
      sandbox: "/run/netns/x",
      mtu: 1400,
      socketPath: "/run/s",
      pciID: "0000:00:1f.6",
    },
  ],
  ips: [
    { interface: 1, address: "10.66.0.2/24", gateway: "10.66.0.1" },
    { address: "fd00:66::2/64", gateway: "fd00:66::1" },
    { interface: 1, address: "10.66.0.3/24" },
  ],
  routes: [
    { dst: "0.0.0.0/0" },
    { dst: "10.0.0.0/8", gw: "10.66.0.1", mtu: 1300, advmss: 1260, priority: 50, table: 7, scope: 253 },
    { dst: "fd00::/8", gw: "fd00:66::1" },
  ],
  dns: { nameservers: ["10.96.0.10"], domain: "shop.example", search: ["example"], options: ["ndots:5"] },
};

const own = {
  hostInterface: "cali0ef24ba27a4",
  hostMac: "ee:ee:ee:ee:ee:ee",
  interfaceName: "eth0",
  mac: "0a:58:c0:a8:07:01",
  netns: "/run/netns/x",
  mtu: 1450,
  addresses: [parseIp("192.168.7.1"), parseIp("fd00:7::1")],
};

for (const version of supportedVersions) {
  test(`the chained answer of ${version}`, async () => {
    const earlier = parseCniResult(full, "prevResult");
    const json = JSON.stringify(JSON.parse(formatResult(own, version, { earlier })), undefined, 2);
    await expect(`${json}\n`).toMatchFileSnapshot(`../../golden/cni/chained-${version}.golden`);
  });
}

test("what is printed in a version is read again in it, and 1.1.0 loses nothing", () => {
  const result = parseCniResult(full, "prevResult");
  for (const version of supportedVersions) {
    const printed = formatCniResult(result, version);
    expect(formatCniResult(parseCniResult(JSON.parse(printed), "prevResult"), version)).toBe(printed);
  }
  expect(JSON.parse(formatCniResult(result, "1.1.0"))).toEqual(full);
});

test("the early shape is read from whatever it says, and Go's null as nothing", () => {
  const early = {
    ip4: { ip: "10.1.0.2/24", gateway: "10.1.0.1", routes: [{ dst: "0.0.0.0/0" }] },
    ip6: null,
    dns: null,
  };
  const read = parseCniResult(early, "prevResult");
  expect(read.ips).toEqual([{ address: "10.1.0.2/24", gateway: "10.1.0.1" }]);
  expect(read.routes).toEqual([{ dst: "0.0.0.0/0" }]);
  expect(parseCniResult({ interfaces: null, ips: null, routes: null }, "prevResult")).toMatchObject({
    interfaces: [],
    ips: [],
  });
});

test("places of interfaces are counted on, and what is said twice of names is said once", () => {
  const earlier = parseCniResult(full, "prevResult");
  const dns = { nameservers: ["10.96.0.10", "10.96.0.11"], domain: "other", search: [], options: [] };
  const merged = mergeResults(earlier, { ...earlier, dns });
  expect(merged.ips.map((one) => one.interface)).toEqual([1, undefined, 1, 3, undefined, 3]);
  expect(merged.dns).toMatchObject({
    nameservers: ["10.96.0.10", "10.96.0.11"],
    domain: "shop.example",
    search: ["example"],
  });
});

test("an address is read without its mask, in canonical form", () => {
  expect(resultAddress({ address: "FD00:0:0::1/64" })).toBe("fd00::1");
});

const broken: readonly (readonly [string, unknown, RegExp])[] = [
  ["no object", 7, /it: /],
  ["an address without mask", { ips: [{ address: "10.0.0.1" }] }, /ips\.0\.address/],
  ["an address that is none", { ips: [{ address: "10.0.0/24" }] }, /ips\.0\.address/],
  ["a gateway that is none", { ips: [{ address: "10.0.0.1/8", gateway: "gw" }] }, /ips\.0\.gateway/],
  ["a route to nowhere", { routes: [{ dst: "default" }] }, /routes\.0\.dst/],
  ["an interface without name", { interfaces: [{}] }, /interfaces\.0\.name/],
];
for (const [name, json, words] of broken) {
  test(`${name} is refused by its path`, () => {
    expect(() => parseCniResult(json, "prevResult")).toThrow(
      expect.objectContaining({ code: 7, message: expect.stringMatching(words) }),
    );
  });
}

test("1.1.0's fields are not printed in earlier versions", () => {
  const result = parseCniResult(full, "prevResult");
  for (const version of supportedVersions.filter((one) => one !== "1.1.0") as readonly CniVersion[]) {
    expect(formatCniResult(result, version), version).not.toMatch(/mtu|socketPath|pciID|advmss|priority|table|scope/);
  }
});
