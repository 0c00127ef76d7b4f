/** What the kernel calls things of ours in nf_tables: one table of each family, in which every table of the state lives. */
import type { NftBaseChain, NftTableId } from "../../host/netlink/nftables.ts";
import type { IpVersion } from "../../net/ip.ts";
import type { TableName } from "../render/desired-state.ts";

/** The whole of it is ours. */
export const ownTable = "calico";

/** Our table of one family. */
export function ownTableOf(version: IpVersion): NftTableId {
  return { version, table: ownTable };
}

/** The chain of a table of the state, e.g. `filter-cali-FORWARD`; with a hook's name its base chain, `filter-FORWARD`. */
export function nftChainName(table: TableName, chain: string): string {
  return `${table}-${chain}`;
}

/** The verdict map of a table of the state. */
export function nftMapName(table: TableName, map: string): string {
  return `${table}-${map}`;
}

/** A set of the state: nft(8) cannot read a colon in a name. */
export function nftSetName(set: string): string {
  return set.replaceAll(":", "-");
}

/** What a chain of iptables is in nf_tables, by table and name (`FORWARD` …). Throws for a name that is none of its chains. */
export function baseChainOf(table: TableName, hook: string): NftBaseChain {
  const name = hooks[hook];
  if (name === undefined)
    throw new Error(`Cannot make a base chain for ${hook} of table ${table}: there is no such hook`);
  if (table === "nat") {
    const isDestination = name === "prerouting" || name === "output";
    return { type: "nat", hook: name, priority: isDestination ? priorities.destinationNat : priorities.sourceNat };
  }
  // Only a chain of this type has the kernel look up the route again after a change of the mark (as iptables does).
  return {
    type: table === "mangle" && name === "output" ? "route" : "filter",
    hook: name,
    priority: priorities[table],
  };
}

// --- internal ---

const hooks: Readonly<Record<string, NftBaseChain["hook"]>> = {
  PREROUTING: "prerouting",
  INPUT: "input",
  FORWARD: "forward",
  OUTPUT: "output",
  POSTROUTING: "postrouting",
};

/** Those of iptables' tables; source NAT comes behind that of others, who may have translated already. */
const priorities = { raw: -300, mangle: -150, destinationNat: -100, filter: 0, sourceNat: 101 } as const;
