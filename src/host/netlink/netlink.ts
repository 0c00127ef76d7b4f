/** rtnetlink(7), as far as the node needs it: links, addresses and routes of one network namespace. */
import type { Cidr } from "../../net/cidr.ts";
import type { Ip, IpVersion } from "../../net/ip.ts";

/** One namespace's routing netlink socket. Requests may overlap; each is answered by the kernel's own acknowledgement. */
export interface Netlink {
  links(): Promise<readonly Link[]>;
  link(name: string): Promise<Link | undefined>;
  /** Makes a veth pair; the peer is born in the namespace of `peerNetns`. The error's code is `EEXIST` when either name is taken. */
  createVeth(veth: VethRequest): Promise<void>;
  /** Makes an ifb device, up. The error's code is `EEXIST` when the name is taken. */
  createIfb(ifb: IfbRequest): Promise<void>;
  /** One that is not there is no error. */
  deleteLink(name: string): Promise<void>;
  /** Rejects with `ENODEV` when there is none of that name. */
  setLink(name: string, change: LinkChange): Promise<void>;

  addresses(linkIndex?: number): Promise<readonly Address[]>;
  /** One that is there already is no error. */
  addAddress(linkIndex: number, address: AddressRequest): Promise<void>;
  /** One that is not there, or whose link is not, is no error. */
  removeAddress(linkIndex: number, address: AddressRequest): Promise<void>;

  /** The routes of the main table. */
  routes(version: IpVersion): Promise<readonly KernelRoute[]>;
  /** Adds the route or replaces the one with the same destination, table and metric. */
  replaceRoutes(routes: readonly KernelRoute[]): Promise<void>;
  /** Those that are not there are no error. */
  deleteRoutes(routes: readonly KernelRoute[]): Promise<void>;

  close(): void;
}

/** A veth pair to make: the end in this namespace, and its peer. */
export interface VethRequest {
  readonly name: string;
  readonly mac?: string;
  readonly mtu: number;
  readonly peerName: string;
  /** Path of the namespace the peer is born in, e.g. `/run/netns/x`; this namespace when absent. */
  readonly peerNetns?: string;
}

/** An intermediate functional block: what is redirected to it is queued there, and goes on where it came from. */
export interface IfbRequest {
  readonly name: string;
  readonly mtu: number;
  /** Packets, for a qdisc that asks its link for it. */
  readonly queueLength: number;
}

/** What is to become of a link; what is left out stays. */
export interface LinkChange {
  /** A new name; older kernels refuse it while the link is up (`EBUSY`). */
  readonly name?: string;
  readonly up?: boolean;
  readonly mtu?: number;
}

/** A network interface as the kernel has it. */
export interface Link {
  readonly index: number;
  readonly name: string;
  readonly mac: string | undefined;
  readonly mtu: number;
  readonly up: boolean;
  /** Whether it passes packets (`up` in RFC 2863): both ends of a veth are up, and the kernel has taken note of that. */
  readonly operational: boolean;
  /** Index of the peer (veth) or lower device. */
  readonly peerIndex: number | undefined;
}

/** An address to give to a link; of scope universe when none is named. */
export interface AddressRequest {
  readonly ip: Ip;
  readonly prefixLength: number;
  readonly scope?: RouteScope;
}

/** An address and the link that has it. */
export interface Address extends AddressRequest {
  readonly linkIndex: number;
}

/** How far an address or route reaches (rtnetlink(7)). */
export type RouteScope = "universe" | "link" | "host";

/** A route of the main table. What is not given is as `ip route` has it, and in a removal stands for anything. */
export interface KernelRoute {
  /** `0.0.0.0/0` and `::/0` are the default routes. */
  readonly destination: Cidr;
  readonly type?: "unicast" | "blackhole" | "local" | "unreachable" | "other";
  readonly linkIndex?: number;
  readonly gateway?: Ip;
  /** Only as read: the gateways of a route of several paths, or one that is of the other family. */
  readonly nextHops?: readonly Ip[];
  readonly source?: Ip;
  readonly scope?: RouteScope;
  /** rtm_protocol: 2 kernel, 3 boot, 4 static, 12 bird (linux/rtnetlink.h). */
  readonly protocol?: number;
  readonly metric?: number;
  /** The gateway is on the link though no route says so (RTNH_F_ONLINK). */
  readonly onlink?: boolean;
}

/** The kernel refused a request. `code` is the errno name, e.g. `EEXIST`. */
export class NetlinkError extends Error {
  readonly code: string;
  constructor(action: string, code: string, detail?: string) {
    super(`Cannot ${action}: ${code}${detail ? ` (${detail})` : ""}`);
    this.name = "NetlinkError";
    this.code = code;
  }
}
