import type { PolicyRule, RuleEntity, RuleIcmp } from "../../../api/policy-rule.ts";
import type { Selector } from "../../../api/selector/selector.ts";
import type { IpVersion } from "../../../net/ip.ts";
import type { IcmpMatch, RulePlan } from "../plan.ts";
import { byFamily, familiesOf, type Networks } from "./by-family.ts";
import { entityMatch } from "./entity-match.ts";
import type { UseSet } from "./set-sources.ts";

/** Where rules stand. */
export interface RulePlace {
  readonly direction: "ingress" | "egress";
  /** Of the policy; undefined for one of none. */
  readonly namespace: string | undefined;
  /** What the policy applies to, if that is workloads alone: then one side of each rule is the endpoint itself. */
  readonly own: Selector | undefined;
  readonly use: UseSet;
}

/** The rule with index `origin` of a `projectcalico.org/v3` policy; none at all when no packet can match it. */
export function calicoRule(rule: PolicyRule, origin: number, place: RulePlace): readonly RulePlan[] {
  const { protocol, notProtocol, http } = rule;
  const family = protocol === undefined ? undefined : familyOf.get(protocol);
  const ipVersion = rule.ipVersion ?? family;
  if (family !== undefined && family !== ipVersion) return [];
  const families = familiesOf(ipVersion, [rule.source, rule.destination].map(networksOf));
  if (families.length === 0) return [];
  const [icmp, notIcmp] = [icmpMatch(rule.icmp), icmpMatch(rule.notICMP)];
  const name = rule.metadata?.annotations["name"];
  const plan = {
    action: actions[rule.action],
    origin,
    ...(name !== undefined && { name }),
    ...(protocol !== undefined && { protocol }),
    ...(notProtocol !== undefined && { notProtocol }),
    ...(icmp !== undefined && { icmp }),
    ...(notIcmp !== undefined && { notIcmp }),
    ...sidesOf(rule, place),
    ...(http !== undefined && { http }),
  };
  return byFamily(plan, families);
}

// --- internal ---

const actions = { Allow: "allow", Deny: "deny", Pass: "pass", Log: "log" } as const;

/** ICMP and ICMPv6 are each of one family. */
const familyOf: ReadonlyMap<number, IpVersion> = new Map([
  [1, 4],
  [58, 6],
]);

function networksOf({ nets, notNets }: RuleEntity): Networks {
  return { ...(nets.length > 0 && { nets }), ...(notNets.length > 0 && { notNets }) };
}

function sidesOf(rule: PolicyRule, place: RulePlace): Pick<RulePlan, "source" | "destination"> {
  const { direction, namespace, own, use } = place;
  const common = { namespace, protocol: rule.protocol, use };
  return {
    source: entityMatch(rule.source, { ...common, side: "source", own: direction === "egress" ? own : undefined }),
    destination: entityMatch(rule.destination, {
      ...common,
      side: "destination",
      own: direction === "ingress" ? own : undefined,
    }),
  };
}

/** Without a type nothing is asked for beyond the protocol; so also upstream, for what must not match. */
function icmpMatch(icmp: RuleIcmp | undefined): IcmpMatch | undefined {
  if (icmp?.type === undefined) return undefined;
  return { type: icmp.type, ...(icmp.code !== undefined && { code: icmp.code }) };
}
