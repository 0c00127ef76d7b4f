import type { Cidr } from "../../net/cidr.ts";
import type { IpVersion } from "../../net/ip.ts";
import type { Community } from "./community.ts";

/** One direction and family of a BGPFilter: the first rule that matches decides; when none does, the next filter. */
export interface BirdFilter {
  /** A name that BIRD takes (64 characters), unique: `bgp_NAME_importFilterV4`. */
  readonly name: string;
  readonly version: IpVersion;
  readonly direction: "import" | "export";
  readonly rules: readonly BirdFilterRule[];
}

/** Everything that is given must match. */
export interface BirdFilterRule {
  readonly net:
    | {
        readonly cidr: Cidr;
        readonly operator: "Equal" | "NotEqual" | "In" | "NotIn";
        /** Only with In and NotIn: of the route's prefix. */
        readonly length: { readonly min: number; readonly max: number } | undefined;
      }
    | undefined;
  /** Learned by BGP, and not this node's own. */
  readonly fromRemotePeers: boolean;
  /** The interface that the route goes out by: a name where `*` stands for anything. */
  readonly interface: string | undefined;
  readonly peerType: "eBGP" | "iBGP" | undefined;
  /** The route has one of them. Empty: not asked. */
  readonly communities: readonly Community[];
  /** The AS path begins with these. Empty: not asked. */
  readonly asPathPrefix: readonly number[];
  /** The route's metric in the kernel. */
  readonly priority: number | undefined;
  readonly operations: readonly BirdFilterOperation[];
  readonly action: "accept" | "reject";
}

/** What is done to a route that is accepted, in order. */
export type BirdFilterOperation =
  | { readonly kind: "addCommunity"; readonly community: Community }
  | { readonly kind: "prependAsPath"; readonly asNumbers: readonly number[] }
  | { readonly kind: "setPriority"; readonly priority: number };
