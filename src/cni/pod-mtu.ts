import type { IpPool } from "../api/ip-pool.ts";
import type { Link } from "../host/netlink/netlink.ts";
import { cidrVersion } from "../net/cidr.ts";
import type { IpVersion } from "../net/ip.ts";
import { workloadInterfacePrefix } from "../net/workload-interface-prefix.ts";
import { brieflyKnown } from "./briefly-known.ts";
import { CniError, cniCode } from "./cni-error.ts";
import type { CniDependencies } from "./dependencies.ts";
import type { NetConf } from "./net-conf.ts";
import { usingNetlink } from "./using-netlink.ts";

/** What `podMtu` needs of the node. */
type MtuNode = Pick<CniDependencies, "host" | "paths" | "pools" | "openNetlink" | "isUplink" | "clock">;

/**
 * The MTU of a pod's interface in bytes: the configuration's, else that of the MTU file, else the smallest of the interface with
 * the default route and of those that are up and that `isUplink` finds (1500 when there is none) less what the pools'
 * encapsulation takes. What interfaces and routes say may be a second old. Throws a `CniError` (7) when the file is required and
 * missing, or holds no number.
 */
export async function podMtu(conf: Pick<NetConf, "mtu" | "require_mtu_file">, node: MtuNode): Promise<number> {
  if (conf.mtu > 0) return conf.mtu;
  const text = (await node.host.readFile(node.paths.mtuFile))?.trim();
  if (text !== undefined) {
    const mtu = /^[1-9][0-9]{1,4}$/.test(text) ? Number(text) : 0;
    // The smallest MTU of IPv4 (RFC 791); the kernel takes a link with less out of IPv4.
    if (mtu < 68 || mtu > 65_535) throw refused(node, `it holds ${JSON.stringify(text)}, not a number of 68 to 65535`);
    return mtu;
  }
  if (conf.require_mtu_file) throw refused(node, "it is missing, and require_mtu_file is set");
  return (await nodeMtu(node)) - overheadOf(node.pools());
}

/**
 * The bytes that packets between nodes need for their outer headers, by the one pool that takes most. Every pool counts
 * for every pod, also a disabled one and with `CrossSubnet`, as upstream: a pod may talk to pods of any of them.
 */
export function overheadOf(pools: readonly IpPool[]): number {
  return Math.max(
    0,
    ...pools.map(({ spec }) => {
      if (spec.vxlanMode !== "Never") return vxlanOverhead[cidrVersion(spec.cidr)];
      return spec.ipipMode === "Never" ? 0 : ipipOverhead;
    }),
  );
}

// --- internal ---

const usualMtu = 1500;

/** One more IPv4 header (RFC 2003). */
const ipipOverhead = 20;
/** Outer IP and UDP headers, VXLAN's, and the inner Ethernet header (RFC 7348). */
const vxlanOverhead: Readonly<Record<IpVersion, number>> = { 4: 50, 6: 70 };

/** A change of it does not reach the pods that are there either, so what was found for the last one does for the next. */
const nodeMtu = brieflyKnown(readNodeMtu);

function readNodeMtu(node: MtuNode): Promise<number> {
  return usingNetlink(node, undefined, async (netlink) => {
    const links = await netlink.links();
    const routes = await netlink.routes(4);
    const way = routes.find((route) => route.destination === "0.0.0.0/0" && route.linkIndex !== undefined);
    const counts = ({ index, name, up }: Link) =>
      index === way?.linkIndex || (up && !name.startsWith(workloadInterfacePrefix) && node.isUplink(name));
    const mtus = links.filter(counts).map(({ mtu }) => mtu);
    return mtus.length === 0 ? usualMtu : Math.min(...mtus);
  });
}

function refused({ paths }: Pick<MtuNode, "paths">, why: string): CniError {
  return new CniError(cniCode.invalidConfiguration, `Cannot read the MTU from ${paths.mtuFile}: ${why}; or set mtu`);
}
