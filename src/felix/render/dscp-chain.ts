import { hostCidr } from "../../net/cidr.ts";
import { compareText } from "../../net/compare-text.ts";
import { type Ip, versionOf } from "../../net/ip.ts";
import type { NodePlan } from "../calc/plan.ts";
import type { Match, Rule } from "./desired-state.ts";
import { setName } from "./names.ts";
import type { Family } from "./options.ts";
import { remember } from "./remember.ts";
import { jump } from "./rules.ts";

/** The code point of what comes from one address. */
export interface DscpSource {
  readonly address: Ip;
  readonly dscp: number;
}

/** Of the endpoints that have one, by value and then by address; the same array for the same map. */
export const dscpSources = remember((endpoints: NodePlan["endpoints"]): readonly DscpSource[] =>
  [...endpoints.values()]
    .flatMap(({ addresses, dscp }) => (dscp === undefined ? [] : addresses.map((address) => ({ address, dscp }))))
    .toSorted((a, b) => a.dscp - b.dscp || compareText(a.address, b.address)),
);

/** The chain that writes code points. */
export const dscpChain = "cali-egress-dscp";

/** Leads what leaves the cluster there: it is for no pool and no node. */
export function toDscpChain({ version }: Family): Rule {
  const isIn = (side: "source" | "destination", set: "dscp-src-net" | "network-ip-pools" | "all-hosts-net"): Match => {
    return { kind: "set", side, set: setName(version, set), negated: side === "destination" };
  };
  const leaving = [
    isIn("source", "dscp-src-net"),
    isIn("destination", "network-ip-pools"),
    isIn("destination", "all-hosts-net"),
  ];
  return { ...jump(dscpChain, ...leaving), comment: "Code point of what leaves the cluster" };
}

/** A rule for each address of the family. */
export function dscpRules(sources: readonly DscpSource[], { version }: Family): readonly Rule[] {
  return sources
    .filter(({ address }) => versionOf(address) === version)
    .map(({ address, dscp }) => ({
      matches: [{ kind: "net", side: "source", net: hostCidr(address), negated: false }],
      action: { kind: "set-dscp", dscp },
    }));
}
