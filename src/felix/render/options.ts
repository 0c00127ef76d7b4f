import type { Cidr } from "../../net/cidr.ts";
import type { Ip, IpVersion } from "../../net/ip.ts";
import { workloadInterfacePrefix } from "../../net/workload-interface-prefix.ts";
import { type Marks, marksFromMask } from "./marks.ts";
import { remember } from "./remember.ts";

/** What rendering needs to know besides the plan. Pass the same object each time: unchanged results are then shared. */
export interface RenderOptions {
  /** The families to render; nothing is rendered for another. */
  readonly versions: readonly IpVersion[];
  /** `nftables`: workloads are found by verdict maps and not by trees of chains; all else is the same. */
  readonly backend: "iptables" | "nftables";
  /** What the names of workload interfaces begin with, and no other interface's. */
  readonly interfacePrefix: string;
  /** Those of `marksFromMask`. */
  readonly marks: Marks;
  /** What happens to a workload's packet to its own node that its egress policy has let through. `return`: the host's rules decide. */
  readonly endpointToHostAction: "accept" | "drop" | "return" | "reject";
  /** What becomes of what policy does not allow. */
  readonly denyAction: "drop" | "reject";
  /** What becomes in a table of what policy allows. `return`: the rules behind ours decide, and those that accept only see it. */
  readonly allowAction: { readonly filter: "accept" | "return"; readonly mangle: "accept" | "return" };
  /** Where our rules stand in the hook chains of others: `insert` before theirs, `append` behind them. */
  readonly hookPlace: "insert" | "append";
  /** Packets of connection state INVALID are dropped unless this is set (asymmetric routes). */
  readonly allowInvalid: boolean;
  /** What a packet that no local workload holds becomes when it is for one of these networks, so that it does not go round. */
  readonly serviceLoop: { readonly action: "drop" | "reject" | "none"; readonly networks: readonly Cidr[] };
  /** TCP ports on which BGP neighbours of the nodes wait for connections. At least one. */
  readonly bgpPorts: readonly number[];
  readonly natOutgoing: NatOutgoing;
  /** Addresses that stand for a pod's in both directions are exchanged only with this. */
  readonly floatingIps: boolean;
  /** Workloads that ask for it may send from networks that are not theirs only with this. */
  readonly foreignSources: boolean;
  /** What the routes to workloads have. */
  readonly routes: {
    /** IPv4's and IPv6's; absent: the kernel's own choice. */
    readonly metric?: Readonly<Record<IpVersion, number>>;
    /** The address that the node itself sends from to its workloads. */
    readonly source?: Partial<Readonly<Record<IpVersion, Ip>>>;
  };
  /** A set has room for so many members at least. */
  readonly maxSetSize: number;
  /** What host endpoints let through whatever their policy, so that nobody locks themselves out. */
  readonly failsafes: { readonly inbound: readonly Failsafe[]; readonly outbound: readonly Failsafe[] };
  /** What workloads may send in tunnels of their own, past the policy that would judge the packet inside. */
  readonly allowFromWorkloads: { readonly vxlan: boolean; readonly ipip: boolean };
  /** The UDP port of VXLAN. */
  readonly vxlanPort: number;
  /** What the lines of log rules begin with; `logPrefixOf` says what %t, %k, %n and %p in it stand for. */
  readonly logPrefix: string;
  /** How many lines a log rule may write, each rule for itself; absent: as many as there are packets. */
  readonly logLimit?: { readonly rate: `${number}/${"second" | "minute" | "hour" | "day"}`; readonly burst: number };
}

/** How pods of masqueraded pools go out. */
export interface NatOutgoing {
  /** Absent: the address of the interface that the packet goes out by. */
  readonly address?: Ip;
  /** TCP and UDP are sent from one of these; absent: from the one it has, if it is free. */
  readonly ports?: { readonly first: number; readonly last: number };
  /** Only what goes out by this interface; a trailing + stands for any ending. */
  readonly interface?: string;
  /** Towards these they keep their address. */
  readonly exclusions: "pools" | "pools-and-hosts";
}

/** A port of the node itself (inbound), or of others that it speaks to (outbound). */
export interface Failsafe {
  /** IANA number, of a protocol with ports. */
  readonly protocol: number;
  readonly port: number;
  /** Only for peers in it, and so in its family alone. */
  readonly net?: Cidr;
}

const both: readonly Failsafe[] = [179, 2379, 2380, 5473, 6443, 6666, 6667].map((port) => ({ protocol: 6, port }));

/**
 * Felix's own defaults, except `endpointToHostAction`: Felix alone drops, and upstream's manifests say accept, as here. Its
 * failsafes are SSH and DHCP in, DNS and DHCP out, and BGP, etcd, Typha and the API server both ways.
 */
export const defaultRenderOptions: RenderOptions = {
  versions: [4, 6],
  backend: "iptables",
  interfacePrefix: workloadInterfacePrefix,
  marks: marksFromMask(0xffff0000),
  endpointToHostAction: "accept",
  denyAction: "drop",
  allowAction: { filter: "accept", mangle: "accept" },
  hookPlace: "insert",
  allowInvalid: false,
  serviceLoop: { action: "drop", networks: [] },
  bgpPorts: [179],
  natOutgoing: { exclusions: "pools" },
  floatingIps: false,
  foreignSources: false,
  routes: {},
  maxSetSize: 1_048_576,
  failsafes: {
    inbound: [{ protocol: 6, port: 22 }, { protocol: 17, port: 68 }, ...both],
    outbound: [{ protocol: 17, port: 53 }, { protocol: 17, port: 67 }, ...both],
  },
  allowFromWorkloads: { vxlan: false, ipip: false },
  vxlanPort: 4789,
  logPrefix: "calico-packet",
};

/** One address family's view of the options: the argument of everything that renders for one family. */
export interface Family {
  readonly version: IpVersion;
  readonly options: RenderOptions;
}

/** The same view for every table but filter: only there can a packet be rejected (iptables-extensions(8)), so it is dropped. */
export function outsideFilter(family: Family): Family {
  return family.options.denyAction === "drop" ? family : dropping(family);
}

// --- internal ---

const dropping = remember(
  ({ version, options }: Family): Family => ({ version, options: { ...options, denyAction: "drop" } }),
);
