import type { IpVersion } from "../../net/ip.ts";

/** What rendering needs to know besides the plan. Pass the same object each time: unchanged results are then shared. */
export interface RenderOptions {
  /** The families to render; nothing is rendered for another. */
  readonly versions: readonly IpVersion[];
  /** What the names of workload interfaces begin with, and no other interface's. */
  readonly interfacePrefix: string;
  readonly marks: Marks;
  /** What happens to a workload's packet to its own node that its egress policy has let through. `return`: the host's rules decide. */
  readonly endpointToHostAction: "accept" | "drop" | "return";
}

/** Packet mark bits, one bit each, that no other software on the node uses. */
export interface Marks {
  /** Policy has allowed the packet. */
  readonly accept: number;
  /** A rule has passed the packet on to the next tier. */
  readonly pass: number;
  /** Within one rule: every block of alternatives so far has matched. */
  readonly allBlocks: number;
  /** Within one rule: the present block has matched. */
  readonly thisBlock: number;
}

/** Felix's own defaults, except `endpointToHostAction`: Felix alone drops, and upstream's manifests say accept, as here. */
export const defaultRenderOptions: RenderOptions = {
  versions: [4, 6],
  interfacePrefix: "cali",
  marks: { accept: 0x10000, pass: 0x20000, allBlocks: 0x80000, thisBlock: 0x100000 },
  endpointToHostAction: "accept",
};

/** The defaults for a node's kernel. One without IPv6 has no ip6tables either, and would refuse every IPv6 table. */
export function renderOptionsFor(kernel: { readonly hasIpv6: boolean }): RenderOptions {
  return kernel.hasIpv6 ? defaultRenderOptions : { ...defaultRenderOptions, versions: [4] };
}

/** One address family's view of the options: the argument of everything that renders for one family. */
export interface Family {
  readonly version: IpVersion;
  readonly options: RenderOptions;
}
