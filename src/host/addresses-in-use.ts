import { fstatSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Ip } from "../net/ip.ts";
import type { Netlink } from "./netlink/netlink.ts";
import { openNetlink } from "./netlink/route-netlink.ts";
import { withNetnsFd } from "./netns.ts";
import { listNetworkNamespaces, type NetworkNamespace } from "./network-namespaces.ts";
import { codeOf } from "./system-error.ts";

/** An address of an interface, in some network namespace of the machine. */
export interface InterfaceAddress {
  readonly ip: Ip;
  readonly interface: string;
  readonly namespace: NetworkNamespace;
}

/**
 * The addresses that `isWanted`, of every interface in every network namespace of the machine (see `listNetworkNamespaces`).
 * Rejects when one that is there cannot be read, so what is not in the answer is on no interface. A namespace that goes
 * away meanwhile has none; one that comes is read as well.
 */
export async function readInterfaceAddresses(
  isWanted: (ip: Ip) => boolean,
  paths: readonly string[] = [],
): Promise<readonly InterfaceAddress[]> {
  const read = new Map<string, readonly InterfaceAddress[]>();
  for (let round = 0; round < mostRounds; round++) {
    const listed = await listNetworkNamespaces(paths);
    const unread = [...listed.values()].filter(({ inode }) => !read.has(inode));
    // One look can miss a namespace whose only process forks and ends just then: nothing new may be there at a second one.
    if (round > 0 && unread.length === 0) return [...read.values()].flat();
    for (const namespace of unread) {
      const addresses = await readOne(namespace, isWanted);
      if (addresses !== undefined) read.set(namespace.inode, addresses);
      await nextTurn();
    }
  }
  throw new Error(
    `Cannot read the addresses of all network namespaces: new ones were there at each of ${mostRounds} looks`,
  );
}

// --- internal ---

const mostRounds = 10;

/** Undefined when nothing leads to the namespace any more. */
async function readOne(
  namespace: NetworkNamespace,
  isWanted: (ip: Ip) => boolean,
): Promise<readonly InterfaceAddress[] | undefined> {
  const netlink = enter(namespace);
  if (netlink === undefined) return undefined;
  try {
    const wanted = (await netlink.addresses()).filter(({ ip }) => isWanted(ip));
    if (wanted.length === 0) return [];
    const names = new Map((await netlink.links()).map(({ index, name }) => [index, name]));
    return wanted.map(({ ip, linkIndex }) => ({
      ip,
      interface: names.get(linkIndex) ?? `link ${linkIndex}`,
      namespace,
    }));
  } finally {
    netlink.close();
  }
}

function enter({ inode, paths }: NetworkNamespace): Netlink | undefined {
  for (const path of paths) {
    try {
      const netlink = withNetnsFd(path, (fd) =>
        // The process may have ended, and its number be another's by now.
        `${fstatSync(fd, { bigint: true }).ino}` === inode ? openNetlink(`/proc/self/fd/${fd}`) : undefined,
      );
      if (netlink !== undefined) return netlink;
    } catch (error) {
      if (!["ENOENT", "ESRCH"].includes(codeOf(error) ?? "")) throw error;
    }
  }
  return undefined;
}
