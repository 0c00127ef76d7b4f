import { type Attachment, attachmentKey } from "../api/objects.ts";
import type { Ip } from "../net/ip.ts";
import { messageOf } from "../net/message-of.ts";
import { isWired } from "./attachments.ts";
import { CniError, cniCode } from "./cni-error.ts";
import type { CniDependencies } from "./dependencies.ts";
import { unreadableRemedy } from "./interface-files.ts";
import { isHeld } from "./leases.ts";
import type { NodeState } from "./node-state.ts";
import { type AddressUsers, whyTaken } from "./taken-addresses.ts";
import { usingNetlink } from "./using-netlink.ts";
import { withdraw } from "./withdraw.ts";

/** Who is to have addresses. */
export interface Claimant {
  /** For sentences, e.g. `pod shop/web`. */
  readonly name: string;
  /** Whether an attachment is its own, which may have them. */
  readonly owns: (attachment: Attachment) => boolean;
  /** Its network namespace, whose interface may have them already. */
  readonly netns?: string;
}

/**
 * Rejects with a `CniError` (101) when another container of this node has one of the addresses. IPAM gives none twice; but
 * what was given past it is unknown to it, so it may give the same again: on one node that is seen. A record of a container
 * that is gone, and whose DEL never came, is in nobody's way: it is taken away.
 *
 * While the file of an attachment cannot be read, what it was given past IPAM is unknown here too. The kernel knows, so it is
 * asked then, and the node's other containers go on getting what IPAM gives.
 */
export async function requireUnused(wanted: readonly Ip[], claimant: Claimant, state: NodeState): Promise<void> {
  if (wanted.length === 0) return;
  for (const { ip, user, end } of await findUsers(wanted, claimant, state)) {
    if (end === undefined) throw inUse(ip, claimant, `${user} uses it on this node`);
    await end();
  }
  await requireOnNoInterface(wanted, claimant, state);
}

/**
 * Rejects with a `CniError` (101) while a file of this node cannot be read: neither IPAM nor the kernel, which does not see what
 * is moved into a machine, can tell then that an address to be used past IPAM is nobody's.
 */
export async function requireAllReadable(claimant: Claimant, { node }: NodeState): Promise<void> {
  const unread = [...(await node.attachments.listUnreadable()), ...(await node.leases.listUnreadable())];
  if (unread.length === 0) return;
  const paths = unread.map(({ path }) => path).join(", ");
  const sentence = `Cannot give ${claimant.name} addresses past IPAM: who uses which on this node cannot be read from ${paths}. ${unreadableRemedy}`;
  throw new CniError(cniCode.noAddress, sentence);
}

/**
 * Rejects with a `CniError` when one of the addresses, which are to be used past IPAM, is of a pool or of a machine (101), or
 * when the kernel cannot be asked for this node's own (11).
 */
export async function requireNobodys(wanted: readonly Ip[], claimant: Claimant, { node }: NodeState): Promise<void> {
  const users: AddressUsers = {
    pools: node.pools(),
    nodes: node.nodes(),
    peers: node.bgpPeers(),
    apiServer: node.apiServer,
    ...(await readOwnAddresses(claimant, node)),
  };
  for (const ip of wanted) {
    const why = whyTaken(ip, users);
    if (why !== undefined) throw inUse(ip, claimant, why, " past IPAM");
  }
}

// --- internal ---

async function readOwnAddresses(
  claimant: Claimant,
  node: CniDependencies,
): Promise<Pick<AddressUsers, "ofInterfaces" | "gateways">> {
  try {
    return await usingNetlink(node, undefined, async (netlink) => {
      const names = new Map((await netlink.links()).map(({ index, name }) => [index, name]));
      const addresses = await netlink.addresses();
      const routes = [...(await netlink.routes(4)), ...(await netlink.routes(6))];
      return {
        ofInterfaces: addresses.map(({ ip, linkIndex }) => ({
          ip,
          interface: names.get(linkIndex) ?? `link ${linkIndex}`,
        })),
        gateways: routes.flatMap(({ gateway, nextHops = [] }) => (gateway === undefined ? nextHops : [gateway])),
      };
    });
  } catch (cause) {
    const sentence = `Cannot give ${claimant.name} addresses past IPAM: the kernel does not say which this node uses. Try again`;
    throw new CniError(cniCode.tryAgainLater, sentence, { details: messageOf(cause), cause });
  }
}

interface User {
  readonly ip: Ip;
  readonly user: string;
  /** Takes its record away; undefined for one that may live. */
  readonly end: (() => Promise<void>) | undefined;
}

async function findUsers(wanted: readonly Ip[], { owns }: Claimant, state: NodeState): Promise<readonly User[]> {
  const { node } = state;
  const attachments = (await node.attachments.list()).flatMap((one) => {
    const ip = one.addresses.find((each) => wanted.includes(each));
    return ip === undefined || owns(one) ? [] : [{ one, ip }];
  });
  const leases = (await node.leases.list()).flatMap((one) => {
    const ip = one.addresses.find((each) => wanted.includes(each.ip))?.ip;
    return ip === undefined ? [] : [{ one, ip }];
  });
  if (attachments.length + leases.length === 0) return [];
  const links = await usingNetlink(node, undefined, (netlink) => netlink.links());
  const names = new Set(links.map(({ name }) => name));
  return [
    ...attachments.map(({ one, ip }) => {
      const end = async () => {
        await withdraw(attachmentKey(one), state);
        await node.attachments.remove(attachmentKey(one));
      };
      return { ip, user: one.pod, end: isWired(one, names, node.mayLeadToNamespace) ? undefined : end };
    }),
    ...leases.map(({ one, ip }) => ({
      ip,
      user: one.pod ?? `container ${one.containerId}`,
      end: isHeld(one, node.mayLeadToNamespace) ? undefined : () => node.leases.remove(attachmentKey(one)),
    })),
  ];
}

async function requireOnNoInterface(wanted: readonly Ip[], claimant: Claimant, { node }: NodeState): Promise<void> {
  const [unread] = await node.attachments.listUnreadable();
  if (unread === undefined) return;
  const owned = (await node.attachments.list()).filter((one) => claimant.owns(one));
  const own = [...owned.map(({ netns }) => netns), ...(claimant.netns === undefined ? [] : [claimant.netns])];
  const found = await node.readInterfaceAddresses((ip) => wanted.includes(ip), own);
  const other = found.find(({ namespace }) => !namespace.paths.some((path) => own.includes(path)));
  if (other === undefined) return;
  const why = `${other.interface} in ${other.namespace.name} has it, and whose that is cannot be read from ${unread.path}. ${unreadableRemedy}`;
  throw inUse(other.ip, claimant, why);
}

function inUse(ip: Ip, claimant: Claimant, why: string, how = ""): CniError {
  return new CniError(cniCode.noAddress, `Cannot give ${claimant.name} the address ${ip}${how}: ${why}`);
}
