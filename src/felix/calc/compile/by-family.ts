import { type Cidr, cidrVersion, prefixLength } from "../../../net/cidr.ts";
import type { IpVersion } from "../../../net/ip.ts";
import type { MatchPlan, RulePlan } from "../plan.ts";

/** The networks that one side of a rule names. */
export type Networks = Pick<MatchPlan, "nets" | "notNets">;

/**
 * The families whose packets a rule with these networks can match; `[undefined]`: those of both, with one rule. As upstream,
 * a list of networks, also one of exceptions, is about the families in it.
 */
export function familiesOf(
  ipVersion: IpVersion | undefined,
  sides: readonly Networks[],
): readonly (IpVersion | undefined)[] {
  const nets = sides.flatMap((side) => (side.nets === undefined ? [] : [side.nets]));
  const notNets = sides.flatMap((side) => (side.notNets === undefined ? [] : [side.notNets]));
  if (nets.length + notNets.length === 0) return [ipVersion];
  const candidates = ipVersion === undefined ? bothFamilies : [ipVersion];
  return candidates.filter((family) => {
    const isOfFamily = (net: Cidr) => cidrVersion(net) === family;
    const everything = (net: Cidr) => prefixLength(net) === 0 && isOfFamily(net);
    return (
      [...nets, ...notNets].every((list) => list.some(isOfFamily)) && !notNets.some((list) => list.some(everything))
    );
  });
}

/** The rule for each of these families, with the networks of that family alone. */
export function byFamily(rule: RulePlan, families: ReturnType<typeof familiesOf>): readonly RulePlan[] {
  return families.map((ipVersion) => {
    if (ipVersion === undefined) return rule;
    const [source, destination] = [inFamily(rule.source, ipVersion), inFamily(rule.destination, ipVersion)];
    return { ...rule, ipVersion, source, destination };
  });
}

// --- internal ---

const bothFamilies: readonly IpVersion[] = [4, 6];

function inFamily(match: MatchPlan, ipVersion: IpVersion): MatchPlan {
  const { nets, notNets } = match;
  if (nets === undefined && notNets === undefined) return match;
  return { ...match, ...(nets && { nets: ofFamily(nets) }), ...(notNets && { notNets: ofFamily(notNets) }) };

  function ofFamily(list: readonly Cidr[]): readonly Cidr[] {
    return list.filter((net) => cidrVersion(net) === ipVersion);
  }
}
