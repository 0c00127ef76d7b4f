import { expect, test } from "vitest";
import {
  foreignSourcesProblem,
  linkFaults,
  reversePathProblem,
  settingFaultsOf,
} from "../../../../src/felix/dataplane/link-faults.ts";
import type { Link } from "../../../../src/host/netlink/netlink.ts";
import { parseIp } from "../../../../src/net/ip.ts";

const wanted = new Map(
  ["cali1", "cali2"].map((hostInterface) => [
    hostInterface,
    { hostInterface, mtu: 1450, addresses: [parseIp("10.0.0.1")] },
  ]),
);
const names = new Map([
  [1, "cali1"],
  [2, "cali2"],
]);
const link = (index: number, name: string, more: Partial<Link> = {}): Link => ({
  ...{ index, name, mac: undefined, mtu: 1450, up: true, operational: true, peerIndex: undefined },
  ...more,
});
const faults = (...links: readonly Link[]) =>
  linkFaults(wanted, links, names).map(({ drift, link: name, change }) => [
    drift.where,
    drift.difference,
    name,
    change,
  ]);

test("links that are as they were wired, or are gone, have no fault", () => {
  expect(faults(link(1, "cali1"), link(3, "eth0", { up: false }))).toEqual([]);
  expect(faults()).toEqual([]);
});

test("a link that is down, of another MTU and another name gets its name back first", () => {
  expect(faults(link(1, "mine", { up: false, mtu: 1500 }))).toEqual([
    ["link cali1", "it is named mine", "mine", { name: "cali1" }],
    ["link cali1", "it is down", "cali1", { up: true }],
    ["link cali1", "its MTU is 1500 and not 1450", "cali1", { mtu: 1450 }],
  ]);
});

test("a name that somebody else has by now is left", () => {
  expect(faults(link(1, "mine"), link(7, "cali1"))).toEqual([]);
  expect(faults(link(1, "cali2"))).toEqual([]);
});

test("settings differ that the kernel has otherwise; what went with its interface does not", () => {
  const found = settingFaultsOf(
    [
      { key: "ipv4/ip_forward", value: "1" },
      { key: "ipv4/conf/cali1/proxy_arp", value: "1" },
      { key: "ipv4/conf/cali2/proxy_arp", value: "1" },
    ],
    (key) => ({ "ipv4/ip_forward": "0", "ipv4/conf/cali1/proxy_arp": "1" })[key],
  );
  expect(found.map(({ drift, setting }) => [drift.where, drift.difference, setting.key])).toEqual([
    ["sysctl net/ipv4/ip_forward", "it is 0 and not 1", "ipv4/ip_forward"],
  ]);
  expect(settingFaultsOf([{ key: "ipv4/ip_forward", value: "1" }], () => undefined)).toHaveLength(1);
});

test("only a loose check of the kernel's is a problem", () => {
  expect([undefined, "0", "1"].map(reversePathProblem)).toEqual([undefined, undefined, undefined]);
  expect(reversePathProblem("2")).toContain("rp_filter is 2 (loose)");
});

test("a strict check for all interfaces keeps workloads from sending from other addresses, where they may", () => {
  expect([undefined, "0", "2"].map(foreignSourcesProblem)).toEqual([undefined, undefined, undefined]);
  expect(foreignSourcesProblem("1")).toContain("rp_filter is 1");
});
