import type { Ip } from "../../../net/ip.ts";
import type { EndpointPlan, MatchPlan, NodePlan, PolicyId, PolicyPlan, SetId } from "../plan.ts";

/**
 * Addresses of the endpoints of `now` whose policy may say something else than in `before`: what is the same object in both
 * is not looked into.
 */
export function touchedAddresses(before: NodePlan, now: NodePlan): readonly Ip[] {
  const isSamePolicy = before.policies === now.policies && before.sets === now.sets;
  if (isSamePolicy && before.endpoints === now.endpoints) return [];
  const changed = new Set(
    isSamePolicy ? [] : [...now.policies.values()].filter((one) => isChanged(one, before, now)).map(({ id }) => id),
  );
  return [...now.endpoints.values()]
    .filter((endpoint) => isTouched(before.endpoints.get(endpoint.hostInterface), endpoint, changed))
    .flatMap(({ addresses }) => addresses);
}

/** The addresses that were one endpoint's and are another's: what is known of their connections is about somebody else. */
export function movedAddresses(before: NodePlan["endpoints"], now: NodePlan["endpoints"]): readonly Ip[] {
  if (before === now) return [];
  // Only addresses of endpoints that are others than before can have moved, and mostly there are none, or but new ones.
  const suspects = new Set<Ip>();
  for (const endpoint of [...differing(before, now), ...differing(now, before)]) {
    for (const ip of endpoint.addresses) suspects.add(ip);
  }
  if (suspects.size === 0) return [];
  const owners = ownersOf(suspects, before);
  if (owners.size === 0) return [];
  return [...now.values()].flatMap(({ addresses, hostInterface }) =>
    addresses.filter((ip) => (owners.get(ip) ?? hostInterface) !== hostInterface),
  );
}

// --- internal ---

/** Those of `endpoints` that are not the same objects in `others`. */
function differing(endpoints: NodePlan["endpoints"], others: NodePlan["endpoints"]): readonly EndpointPlan[] {
  const found: EndpointPlan[] = [];
  for (const [name, endpoint] of endpoints) if (others.get(name) !== endpoint) found.push(endpoint);
  return found;
}

/** Which endpoint, by interface, has which of these addresses. */
function ownersOf(addresses: ReadonlySet<Ip>, endpoints: NodePlan["endpoints"]): ReadonlyMap<Ip, string> {
  const owners = new Map<Ip, string>();
  for (const endpoint of endpoints.values()) {
    for (const ip of endpoint.addresses) if (addresses.has(ip)) owners.set(ip, endpoint.hostInterface);
  }
  return owners;
}

function isTouched(before: EndpointPlan | undefined, now: EndpointPlan, changed: ReadonlySet<PolicyId>): boolean {
  if (before !== now) return true;
  if (changed.size === 0) return false;
  return [now.ingress, now.egress].some(({ tiers }) =>
    tiers.some(({ policies }) => policies.some((id) => changed.has(id))),
  );
}

function isChanged(policy: PolicyPlan, before: NodePlan, now: NodePlan): boolean {
  if (before.policies.get(policy.id) !== policy) return true;
  return before.sets !== now.sets && setsOf(policy).some((id) => before.sets.get(id) !== now.sets.get(id));
}

const known = new WeakMap<PolicyPlan, readonly SetId[]>();

function setsOf(policy: PolicyPlan): readonly SetId[] {
  const before = known.get(policy);
  if (before !== undefined) return before;
  const rules = [...policy.ingress, ...policy.egress];
  const sets = [...new Set(rules.flatMap(({ source, destination }) => [...setsIn(source), ...setsIn(destination)]))];
  known.set(policy, sets);
  return sets;
}

function setsIn({ sets = [], notSets = [], portSets = [], ports, notPorts }: MatchPlan): readonly SetId[] {
  return [...sets, ...notSets, ...portSets, ...(ports?.sets ?? []), ...(notPorts?.sets ?? [])];
}
