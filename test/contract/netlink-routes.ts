import { expect, test } from "vitest";
import type { KernelRoute } from "../../src/host/netlink/netlink.ts";
import { type Cidr, parseCidr } from "../../src/net/cidr.ts";
import { type Ip, parseIp } from "../../src/net/ip.ts";
import { type NetlinkBench, upLink } from "./netlink-bench.ts";

/** What every `Netlink` promises of routes. */
export function routeContract(sides: () => NetlinkBench): void {
  test("a namespace without routes has none", async () => {
    const { here } = sides();
    expect(await here.netlink.routes(4)).toEqual([]);
    expect(await here.netlink.routes(6)).toEqual([]);
  });

  test("IPv4 routes of every kind are what the ip program and we read", async () => {
    const { here } = sides();
    const linkIndex = await upLink(here);
    await here.netlink.addAddress(linkIndex, { ip: parseIp("10.0.0.1"), prefixLength: 24 });
    const own: readonly KernelRoute[] = [
      { destination: cidr("192.168.1.5/32"), linkIndex },
      { destination: cidr("0.0.0.0/0"), gateway: ip("169.254.1.1"), linkIndex, onlink: true },
      { destination: cidr("192.168.1.0/26"), type: "blackhole", protocol: 4 },
      { destination: cidr("192.168.9.0/24"), gateway: ip("10.0.0.2"), source: ip("10.0.0.1"), metric: 50 },
      { destination: cidr("192.168.8.0/24"), type: "unreachable" },
    ];
    await here.netlink.replaceRoutes(own);
    expect(
      here
        .ip("route", "show")
        .split("\n")
        .map((line) => line.trim()),
    ).toEqual([
      "default via 169.254.1.1 dev a onlink",
      "10.0.0.0/24 dev a proto kernel scope link src 10.0.0.1",
      "blackhole 192.168.1.0/26 proto static",
      "192.168.1.5 dev a scope link",
      "unreachable 192.168.8.0/24",
      "192.168.9.0/24 via 10.0.0.2 dev a src 10.0.0.1 metric 50",
      "",
    ]);
    const read = await here.netlink.routes(4);
    expect(read).toHaveLength(6);
    for (const route of own) expect(read).toContainEqual(expect.objectContaining(route));
    await here.netlink.deleteRoutes(read);
    expect(here.ip("route", "show")).toBe("");
  });

  test("IPv6 routes too", async () => {
    const { here } = sides();
    const linkIndex = await upLink(here);
    const own: readonly KernelRoute[] = [
      { destination: cidr("fd00:1::5/128"), linkIndex, metric: 1024 },
      { destination: cidr("::/0"), gateway: ip("fe80::1"), linkIndex },
      { destination: cidr("fd00:1::/122"), type: "blackhole" },
    ];
    await here.netlink.replaceRoutes(own);
    const read = await here.netlink.routes(6);
    for (const route of own) expect(read).toContainEqual(expect.objectContaining(route));
    expect(here.ip("-6", "route", "show")).toMatch(/^fd00:1::5 dev a metric 1024/m);
    expect(here.ip("-6", "route", "show")).toMatch(/^blackhole fd00:1::\/122 dev lo metric 1024/m);
    expect(here.ip("-6", "route", "show")).toMatch(/^default via fe80::1 dev a metric 1024/m);
    await here.netlink.deleteRoutes(own);
    expect(here.ip("-6", "route", "show")).not.toMatch(/fd00|default/);
  });

  test("a route is replaced by one of the same destination and metric, whatever its type", async () => {
    const { here } = sides();
    const linkIndex = await upLink(here);
    const destination = cidr("192.168.1.5/32");
    await here.netlink.replaceRoutes([{ destination, type: "blackhole" }]);
    await here.netlink.replaceRoutes([{ destination, linkIndex }]);
    await here.netlink.replaceRoutes([{ destination, linkIndex }]);
    expect(here.ip("route", "show").trim()).toBe("192.168.1.5 dev a scope link");
  });

  test("a route that differs in what is given is not deleted, and one that is not there is no error", async () => {
    const { here } = sides();
    const linkIndex = await upLink(here);
    const destination = cidr("192.168.1.5/32");
    await here.netlink.replaceRoutes([{ destination, linkIndex, protocol: 4 }]);
    await here.netlink.deleteRoutes([
      { destination, linkIndex, protocol: 12 },
      { destination, type: "blackhole" },
      { destination, linkIndex: linkIndex + 50 },
      { destination: cidr("192.168.1.6/32") },
      { destination: cidr("fd00::/64") },
    ]);
    expect(here.ip("route", "show").trim()).toBe("192.168.1.5 dev a proto static scope link");
    await here.netlink.deleteRoutes([{ destination }]);
    expect(here.ip("route", "show")).toBe("");
  });

  test("routes of other tables are not shown", async () => {
    const { here } = sides();
    const linkIndex = await upLink(here);
    here.ip("route", "add", "10.7.0.0/16", "dev", "a", "table", "100");
    here.ip("route", "add", "10.8.0.0/16", "dev", "a");
    expect(await here.netlink.routes(4)).toEqual([
      { destination: "10.8.0.0/16", type: "unicast", linkIndex, scope: "link", protocol: 3 },
    ]);
  });

  test("a refusal says in the kernel's words why, how many failed, and the others are done", async () => {
    const { here } = sides();
    const linkIndex = await upLink(here);
    const change = here.netlink.replaceRoutes([
      { destination: cidr("10.1.0.0/16"), gateway: ip("99.0.0.1") },
      { destination: cidr("10.2.0.0/16"), linkIndex },
      { destination: cidr("10.3.0.0/16"), linkIndex: 999 },
    ]);
    await expect(change).rejects.toThrow(
      "Cannot replace route 10.1.0.0/16 via 99.0.0.1 (and 1 more of 3 routes): ENETUNREACH (Nexthop has invalid gateway)",
    );
    expect(here.ip("route", "show").trim()).toBe("10.2.0.0/16 dev a scope link");
  });

  test("a thousand routes at once, read back and deleted, beside other requests", async () => {
    const { here, there } = sides();
    const [linkIndex, otherIndex] = [await upLink(here), await upLink(there)];
    const routes = thousandRoutes(linkIndex);
    const other: KernelRoute = { destination: cidr("10.9.0.0/16"), linkIndex: otherIndex };
    const [, found] = await Promise.all([
      here.netlink.replaceRoutes(routes),
      here.netlink.link("a"),
      there.netlink.replaceRoutes([other]),
    ]);
    expect(found?.index).toBe(linkIndex);
    const read = new Set((await here.netlink.routes(4)).map(({ destination }) => destination));
    expect(read).toEqual(new Set(routes.map(({ destination }) => destination)));
    expect(here.ipJson("route", "show")).toHaveLength(1000);
    expect((await there.netlink.routes(4)).map(({ destination }) => destination)).toEqual(["10.9.0.0/16"]);
    await here.netlink.deleteRoutes(routes);
    expect(here.ip("route", "show")).toBe("");
  });
}

// --- internal ---

function thousandRoutes(linkIndex: number): readonly KernelRoute[] {
  return Array.from({ length: 1000 }, (_, index) => ({
    destination: cidr(`192.168.${index >> 8}.${index & 255}/32`),
    linkIndex,
  }));
}

function cidr(text: string): Cidr {
  return parseCidr(text);
}

function ip(text: string): Ip {
  return parseIp(text);
}
