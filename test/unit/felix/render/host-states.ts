/** Nodes with host endpoints, and packets to try on them. */
import type {
  BothDirections,
  DirectionPlan,
  HostEndpointPlan,
  NodePlan,
  PolicyId,
  PolicyPlan,
  RulePlan,
} from "../../../../src/felix/calc/plan.ts";
import type { DesiredState } from "../../../../src/felix/render/desired-state.ts";
import { defaultRenderOptions, type RenderOptions } from "../../../../src/felix/render/options.ts";
import { render } from "../../../../src/felix/render/render.ts";
import { parseIp } from "../../../../src/net/ip.ts";
import type { Packet } from "../../../oracle/simulate-rules.ts";
import { policyOf, ruleOf, smallPlan } from "../small-plan.ts";

/** Nobody decides. */
export const nothing: DirectionPlan = { tiers: [], profile: "none" };
export const allow: DirectionPlan = { tiers: [], profile: "allow" };
export const deny: DirectionPlan = { tiers: [], profile: "deny" };

const idOf = (name: string) => `gnp/${name}` as PolicyId;
const onPort = (action: RulePlan["action"], first: number, last = first): RulePlan =>
  ruleOf(action, { protocol: 6, destination: { ports: { ranges: [{ first, last }], sets: [] } } });

const policies: readonly PolicyPlan[] = [
  policyOf(idOf("in"), { ingress: [onPort("allow", 80), onPort("deny", 81), onPort("deny", 22)] }),
  policyOf(idOf("out"), { egress: [onPort("allow", 443), onPort("deny", 80, 81)] }),
  policyOf(idOf("before"), { ingress: [onPort("deny", 30_001), onPort("allow", 30_000, 32_767)] }),
  policyOf(idOf("nobody"), { ingress: [ruleOf("deny")], egress: [ruleOf("deny")] }),
  policyOf(idOf("staged"), { staged: true, ingress: [ruleOf("deny")], egress: [ruleOf("deny")] }),
];

/** One policy, and for what it does not decide the profile. */
export function asks(policy: string, profile: DirectionPlan["profile"] = "none"): DirectionPlan {
  return { profile, tiers: [{ name: "default", policies: [idOf(policy)], endAction: "pass" }] };
}

/** What is not said is nothing before connection tracking and DNAT, open to what passes through, and shut to all else. */
function hostEndpoint(interfaceName: string, said: Partial<HostEndpointPlan>): HostEndpointPlan {
  const both = (direction: DirectionPlan): BothDirections => ({ ingress: direction, egress: direction });
  const stages = { untracked: both(nothing), preDnat: nothing, forward: both(allow), normal: both(deny) };
  return { name: `of-${interfaceName}`, interfaceName, ...stages, ...said };
}

/** The small plan on a node with these host endpoints, by interface name. */
export function stateOf(
  hosts: Readonly<Record<string, Partial<HostEndpointPlan>>>,
  more: Partial<NodePlan> = {},
  options: RenderOptions = defaultRenderOptions,
): DesiredState {
  const hostEndpoints = new Map(Object.entries(hosts).map(([name, said]) => [name, hostEndpoint(name, said)]));
  const all = new Map([...smallPlan.policies, ...policies.map((policy) => [policy.id, policy] as const)]);
  return render({ ...smallPlan, policies: all, hostEndpoints, ...more }, options);
}

/** A new connection through the node from elsewhere to elsewhere, but for what is said. */
export function tcp(said: Partial<Packet> = {}): Packet {
  const ends = { source: parseIp("203.0.113.7"), destination: parseIp("198.51.100.7") };
  return { ...ends, protocol: 6, sourcePort: 40_000, destinationPort: 8080, state: "NEW", ...said };
}
