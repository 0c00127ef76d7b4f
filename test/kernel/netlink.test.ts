import { readdirSync, readlinkSync } from "node:fs";
import { expect, test } from "vitest";
import { messageType } from "../../src/host/netlink/constants.ts";
import { encodeLinkQuery } from "../../src/host/netlink/link-codec.ts";
import { openNetlink } from "../../src/host/netlink/route-netlink.ts";
import { NetlinkSocket } from "../../src/host/netlink/socket.ts";
import { inNetns } from "../../src/host/netns.ts";
import { netlinkContract } from "../contract/netlink.ts";
import { makeNamespace } from "./netlink-namespaces.ts";

netlinkContract(() => {
  const [here, there] = [makeNamespace(), makeNamespace()];
  const netlinks = [openNetlink(here.path), openNetlink(there.path)] as const;
  return {
    here: { ...here, netlink: netlinks[0] },
    there: { ...there, netlink: netlinks[1] },
    [Symbol.dispose]: () => {
      for (const netlink of netlinks) netlink.close();
      for (const namespace of [here, there]) namespace[Symbol.dispose]();
    },
  };
});

test("without a path it is this process's own namespace", async () => {
  const netlink = openNetlink();
  expect((await netlink.links()).map(({ name }) => name)).toContain("lo");
  netlink.close();
});

test("after close a request is refused, and closing again is no error", async () => {
  using namespace = makeNamespace();
  const netlink = openNetlink(namespace.path);
  netlink.close();
  netlink.close();
  await expect(netlink.links()).rejects.toThrow("Cannot send a netlink request: EBADF (the socket is closed)");
});

test("the socket stays in its namespace when the name goes away", async () => {
  const namespace = makeNamespace();
  const netlink = openNetlink(namespace.path);
  namespace.ip("link", "add", "v0", "type", "veth", "peer", "v1");
  namespace[Symbol.dispose]();
  expect((await netlink.links()).map(({ name }) => name)).toEqual(["lo", "v1", "v0"]);
  netlink.close();
});

test("one socket does for all who ask about this process's own namespace one after the other", async () => {
  openNetlink().close();
  const before = openSockets();
  for (let time = 0; time < 5; time++) {
    const netlink = openNetlink();
    expect((await netlink.links()).map(({ name }) => name)).toContain("lo");
    expect(openSockets()).toEqual(before);
    netlink.close();
    netlink.close();
  }
  expect(openSockets()).toEqual(before);
  // Two at a time have one each.
  const both = [openNetlink(), openNetlink()];
  expect(openSockets().length).toBeGreaterThan(before.length);
  for (const netlink of both) expect(await netlink.link("lo")).toMatchObject({ index: 1 });
  for (const netlink of both) netlink.close();
});

test("a socket of another namespace is nobody else's, by whichever way it was opened", async () => {
  using namespace = makeNamespace();
  namespace.ip("link", "add", "v0", "type", "veth", "peer", "v1");
  for (const open of [() => openNetlink(namespace.path), () => inNetns(namespace.path, () => openNetlink())]) {
    const there = open();
    expect((await there.links()).map(({ name }) => name)).toContain("v0");
    there.close();
    const own = openNetlink();
    expect((await own.links()).map(({ name }) => name)).not.toContain("v0");
    own.close();
  }
});

test("a socket that is still to be answered is given to nobody", () => {
  const failing = new NetlinkSocket(undefined);
  const links = { type: messageType.getLink, body: encodeLinkQuery() };
  const broken = () => {
    throw new Error("cannot be read");
  };
  expect(() => failing.dump(links, broken)).toThrow("cannot be read");
  const before = openSockets();
  failing.close();
  expect(openSockets().length).toBe(before.length - 1);
});

// --- internal ---

/** This process's sockets, by inode. */
function openSockets(): readonly string[] {
  const links = readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      // The folder's own descriptor is gone by now.
      return [];
    }
  });
  return links.filter((link) => link.startsWith("socket:")).toSorted();
}
