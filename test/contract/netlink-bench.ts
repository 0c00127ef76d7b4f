import type { Netlink } from "../../src/host/netlink/netlink.ts";

/** Two namespaces, each with its netlink and an independent reader and writer (`ip`). Disposed of after each test. */
export interface NetlinkBench extends Disposable {
  readonly here: NetlinkSide;
  readonly there: NetlinkSide;
}

export interface NetlinkSide {
  readonly path: string;
  readonly netlink: Netlink;
  ip(...args: readonly string[]): string;
  ipJson(...args: readonly string[]): readonly Record<string, unknown>[];
}

/** Makes the veth `a` and brings it up with its peer `b`, in the same namespace. Answers the index of `a`. */
export async function upLink({ netlink }: NetlinkSide): Promise<number> {
  await netlink.createVeth({ name: "a", mtu: 1500, peerName: "b" });
  await netlink.setLink("b", { up: true });
  await netlink.setLink("a", { up: true });
  return (await netlink.link("a"))?.index ?? 0;
}
