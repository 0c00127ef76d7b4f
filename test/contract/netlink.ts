import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Link } from "../../src/host/netlink/netlink.ts";
import { parseIp } from "../../src/net/ip.ts";
import { type NetlinkBench, type NetlinkSide, upLink } from "./netlink-bench.ts";
import { routeContract } from "./netlink-routes.ts";

/** What every `Netlink` promises. */
export function netlinkContract(makeBench: () => NetlinkBench): void {
  let bench: NetlinkBench;
  const sides = () => bench;
  beforeEach(() => {
    bench = makeBench();
  });
  afterEach(() => bench[Symbol.dispose]());

  describe("links", () => linkContract(sides));
  describe("addresses", () => addressContract(sides));
  describe("routes", () => routeContract(sides));
}

// --- internal ---

const veth = {
  name: "cali0123456789a",
  mac: "ee:ee:ee:ee:ee:ee",
  mtu: 1450,
  peerName: "eth0",
} as const;

function linkContract(sides: () => NetlinkBench): void {
  test("a veth pair is born with its peer in the other namespace", async () => {
    const { here, there } = sides();
    await here.netlink.createVeth({ ...veth, peerNetns: there.path });
    const [ours, theirs] = [await linkOf(here, veth.name), await linkOf(there, "eth0")];
    expect(here.ipJson("-d", "link", "show", veth.name)).toMatchObject([
      { ifindex: ours.index, address: veth.mac, mtu: 1450, linkinfo: { info_kind: "veth" }, link_index: theirs.index },
    ]);
    expect(there.ipJson("link", "show", "eth0")).toMatchObject([{ address: theirs.mac, mtu: 1450 }]);
    expect(ours).toMatchObject({ mac: veth.mac, mtu: 1450, up: false, peerIndex: theirs.index });
    expect(theirs).toMatchObject({ mtu: 1450, up: false, peerIndex: ours.index });
    expect(await here.netlink.link("eth0")).toBeUndefined();
  });

  test("a veth pair stays here when no namespace is named", async () => {
    const { here } = sides();
    await here.netlink.createVeth({ name: "a", mtu: 1500, peerName: "b" });
    expect((await here.netlink.links()).map(({ name }) => name).sort()).toEqual(["a", "b", "lo"]);
  });

  test("either name taken is EEXIST, and nothing is left behind", async () => {
    const { here, there } = sides();
    await here.netlink.createVeth({ ...veth, peerNetns: there.path });
    await expect(here.netlink.createVeth({ ...veth, peerName: "eth1" })).rejects.toMatchObject({ code: "EEXIST" });
    const second = here.netlink.createVeth({ ...veth, name: "second", peerNetns: there.path });
    await expect(second).rejects.toMatchObject({ code: "EEXIST" });
    expect(await here.netlink.link("second")).toBeUndefined();
    expect(await here.netlink.link("eth1")).toBeUndefined();
  });

  test("a veth for a namespace that is not there names it", async () => {
    const { here } = sides();
    const made = here.netlink.createVeth({ ...veth, peerNetns: "/run/netns/no-such" });
    await expect(made).rejects.toThrow("Cannot open network namespace /run/netns/no-such: ENOENT");
    const wrong = here.netlink.createVeth({ ...veth, peerNetns: "/etc/passwd" });
    await expect(wrong).rejects.toMatchObject({ code: "EINVAL" });
    expect(await here.netlink.link(veth.name)).toBeUndefined();
  });

  test("a link is brought up and down", async () => {
    const { here } = sides();
    await here.netlink.createVeth({ name: "a", mtu: 1500, peerName: "b" });
    await here.netlink.setLink("a", { up: true });
    expect(here.ipJson("link", "show", "a")).toMatchObject([{ flags: expect.arrayContaining(["UP"]) }]);
    expect(await linkOf(here, "a")).toMatchObject({ up: true });
    await here.netlink.setLink("a", { up: false });
    expect(await linkOf(here, "a")).toMatchObject({ up: false });
  });

  test("a veth is operational once both of its ends are up", async () => {
    const { here } = sides();
    await here.netlink.createVeth({ name: "a", mtu: 1500, peerName: "b" });
    await here.netlink.setLink("a", { up: true });
    expect(await linkOf(here, "a")).toMatchObject({ up: true, operational: false });
    await here.netlink.setLink("b", { up: true });
    for (const name of ["a", "b"]) {
      await expect.poll(() => linkOf(here, name)).toMatchObject({ up: true, operational: true });
    }
  });

  test("an ifb is born up, and its MTU changes", async () => {
    const { here } = sides();
    const ifb = { name: "bwcali012345678", mtu: 1450, queueLength: 700 };
    await here.netlink.createIfb(ifb);
    expect(here.ipJson("-d", "link", "show", ifb.name)).toMatchObject([
      { mtu: 1450, txqlen: 700, linkinfo: { info_kind: "ifb" }, flags: expect.arrayContaining(["UP"]) },
    ]);
    await expect(here.netlink.createIfb(ifb)).rejects.toMatchObject({ code: "EEXIST" });
    await here.netlink.setLink(ifb.name, { mtu: 9000 });
    expect(await linkOf(here, ifb.name)).toMatchObject({ mtu: 9000, up: true });
    await here.netlink.setLink(ifb.name, { mtu: 1400, up: false });
    expect(await linkOf(here, ifb.name)).toMatchObject({ mtu: 1400, up: false });
  });

  test("links read as the ip program reads them", async () => {
    const { here } = sides();
    for (let index = 0; index < 60; index++) here.ip("link", "add", `v${index}`, "type", "veth", "peer", `w${index}`);
    here.ip("link", "set", "v7", "up");
    const known = here.ipJson("link", "show").map((link) => ({
      index: link["ifindex"],
      name: link["ifname"],
      mac: link["address"],
      mtu: link["mtu"],
      up: (link["flags"] as string[]).includes("UP"),
    }));
    const read = (await here.netlink.links()).map(({ index, name, mac, mtu, up }) => ({ index, name, mac, mtu, up }));
    expect(read).toHaveLength(121);
    expect(read).toEqual(known);
  });

  test("changing what is not there is ENODEV, deleting it is no error", async () => {
    const { here } = sides();
    const change = here.netlink.setLink("none", { up: true });
    await expect(change).rejects.toThrow("Cannot change link none: ENODEV (there is none of that name)");
    await here.netlink.createVeth({ name: "a", mtu: 1500, peerName: "b" });
    await here.netlink.deleteLink("a");
    await here.netlink.deleteLink("a");
    expect(here.ipJson("link", "show").map((link) => link["ifname"])).toEqual(["lo"]);
  });
}

function addressContract(sides: () => NetlinkBench): void {
  test("addresses are added as asked, and again without error", async () => {
    const { here } = sides();
    const linkIndex = await upLink(here);
    for (let round = 0; round < 2; round++) {
      await here.netlink.addAddress(linkIndex, { ip: parseIp("10.0.0.5"), prefixLength: 24 });
      await here.netlink.addAddress(linkIndex, { ip: parseIp("10.0.0.6"), prefixLength: 32, scope: "link" });
      await here.netlink.addAddress(linkIndex, { ip: parseIp("fd00::5"), prefixLength: 64 });
    }
    const [link] = here.ipJson("address", "show", "dev", "a") as readonly { addr_info: Record<string, unknown>[] }[];
    const known = link?.addr_info.map(({ local, prefixlen, scope }) => [local, prefixlen, scope]);
    expect(known).toEqual(
      expect.arrayContaining([
        ["10.0.0.5", 24, "global"],
        ["10.0.0.6", 32, "link"],
        ["fd00::5", 64, "global"],
      ]),
    );
    const scopes = { universe: "global", link: "link", host: "host" };
    const read = await here.netlink.addresses(linkIndex);
    expect(read.map(({ ip, prefixLength, scope = "host" }) => [ip, prefixLength, scopes[scope]])).toEqual(known);
  });

  test("the addresses of all links are told apart", async () => {
    const { here } = sides();
    const linkIndex = await upLink(here);
    here.ip("link", "set", "lo", "up");
    here.ip("address", "add", "10.0.0.5", "peer", "10.0.0.6", "dev", "a");
    const all = await here.netlink.addresses();
    expect(all).toContainEqual({ linkIndex: 1, ip: "127.0.0.1", prefixLength: 8, scope: "host" });
    expect(all).toContainEqual({ linkIndex, ip: "10.0.0.5", prefixLength: 32, scope: "universe" });
    expect((await here.netlink.addresses(1)).map(({ ip }) => ip).sort()).toEqual(["127.0.0.1", "::1"]);
  });

  test("a link that is not there is ENODEV", async () => {
    const { here } = sides();
    await expect(here.netlink.addresses(999)).rejects.toMatchObject({ code: "ENODEV" });
    const added = here.netlink.addAddress(999, { ip: parseIp("10.0.0.5"), prefixLength: 24 });
    await expect(added).rejects.toThrow("Cannot add address 10.0.0.5/24 to link 999: ENODEV");
  });
}

async function linkOf({ netlink }: NetlinkSide, name: string): Promise<Link> {
  const link = await netlink.link(name);
  if (link === undefined) throw new Error(`No link ${name}`);
  return link;
}
