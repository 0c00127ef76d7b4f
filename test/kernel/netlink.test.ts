import { expect, test } from "vitest";
import { openNetlink } from "../../src/host/netlink/route-netlink.ts";
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
