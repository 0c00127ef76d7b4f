import type { Netlink } from "../host/netlink/netlink.ts";
import type { CniDependencies } from "./dependencies.ts";

/** Runs `action` with a netlink socket in the namespace at `netns` (the node's own when undefined) and closes it after. */
export async function usingNetlink<T>(
  node: Pick<CniDependencies, "openNetlink">,
  netns: string | undefined,
  action: (netlink: Netlink) => Promise<T>,
): Promise<T> {
  const netlink = node.openNetlink(netns);
  try {
    return await action(netlink);
  } finally {
    netlink.close();
  }
}
