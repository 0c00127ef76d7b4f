/** When a rule of a `projectcalico.org/v3` policy matches a packet, field by field as the API documentation has it. */
import { namespacedName } from "../../src/api/names.ts";
import type { PolicyRule, RuleEntity, RuleIcmp, RulePort } from "../../src/api/policy-rule.ts";
import type { Snapshot } from "../../src/api/snapshot.ts";
import { type Cidr, cidrContainsIp, cidrVersion } from "../../src/net/cidr.ts";
import { versionOf } from "../../src/net/ip.ts";
import { inheritedLabels, type Party, type Seen, type Selectable, selectablesAt } from "./parties.ts";
import { selects } from "./selection.ts";

/** `namespace` is the policy's, undefined for one of none. */
export function ruleMatches(rule: PolicyRule, seen: Seen, context: RuleContext): boolean {
  // Nothing on the node can look into requests, so a rule that is only about some of them matches none.
  if (rule.http !== undefined) return false;
  if (rule.ipVersion !== undefined && rule.ipVersion !== versionOf(seen.from.ip)) return false;
  if (rule.protocol !== undefined && rule.protocol !== seen.protocol) return false;
  if (rule.notProtocol !== undefined && rule.notProtocol === seen.protocol) return false;
  if (rule.icmp?.type !== undefined && !icmpMatches(rule.icmp, seen)) return false;
  if (rule.notICMP?.type !== undefined && icmpMatches(rule.notICMP, seen)) return false;
  const { protocol } = seen;
  return (
    endMatches(rule.source, { party: seen.from, port: seen.sourcePort, protocol, withPorts: false }, context) &&
    endMatches(rule.destination, { party: seen.to, port: seen.port, protocol, withPorts: true }, context)
  );
}

/** Whether somebody at the party's address knows the port by that name. */
export function isNamedPort(
  name: string,
  { protocol, port }: { readonly protocol: number; readonly port?: number | undefined },
  among: readonly Selectable[],
): boolean {
  return among.some(({ namedPorts }) =>
    namedPorts.some((one) => one.name === name && one.protocol === protocol && one.port === port),
  );
}

// --- internal ---

interface RuleContext {
  readonly snapshot: Snapshot;
  readonly namespace: string | undefined;
}

/** `withPorts`: a Service there means its ports too. */
interface End {
  readonly party: Party;
  readonly port: number | undefined;
  readonly protocol: number;
  readonly withPorts: boolean;
}

function icmpMatches({ type, code }: RuleIcmp, { icmp }: Seen): boolean {
  return icmp !== undefined && icmp.type === type && (code === undefined || icmp.code === code);
}

function endMatches(entity: RuleEntity, end: End, context: RuleContext): boolean {
  const { ip } = end.party;
  const isIn = (nets: readonly Cidr[]) => nets.some((net) => cidrContainsIp(net, ip));
  if (entity.nets.length > 0 && !isIn(entity.nets)) return false;
  // A rule that names networks of one family is about that family.
  const ofFamily = entity.notNets.filter((net) => cidrVersion(net) === versionOf(ip));
  if (entity.notNets.length > 0 && (ofFamily.length === 0 || isIn(ofFamily))) return false;
  const everybody = selectablesAt(context.snapshot, end.party);
  const selected = isLimited(entity, context) ? everybody.filter((one) => isSelected(entity, one, context)) : everybody;
  if (isLimited(entity, context) && selected.length === 0) return false;
  if (entity.notSelector !== "" && everybody.some(({ labels }) => selects(entity.notSelector, labels))) return false;
  if (entity.services !== undefined && !isOfService(entity.services, end, context)) return false;
  const isAt = (port: RulePort) =>
    "name" in port
      ? isNamedPort(port.name, end, selected)
      : end.port !== undefined && end.port >= port.first && end.port <= port.last;
  return (entity.ports.length === 0 || entity.ports.some(isAt)) && !entity.notPorts.some(isAt);
}

/** Whether only what selectors select is meant. In a policy of a namespace, any selector means its own namespace. */
function isLimited(
  { selector, notSelector, namespaceSelector, serviceAccounts }: RuleEntity,
  { namespace }: RuleContext,
) {
  const accounts =
    serviceAccounts !== undefined && (serviceAccounts.names.length > 0 || serviceAccounts.selector !== "");
  return selector !== "" || namespaceSelector !== "" || accounts || (namespace !== undefined && notSelector !== "");
}

function isSelected(entity: RuleEntity, one: Selectable, { namespace }: RuleContext): boolean {
  const { selector, namespaceSelector, serviceAccounts } = entity;
  const isNamespaced = one.namespace !== undefined;
  if (namespaceSelector !== "") {
    const meanings = { all: isNamespaced, global: !isNamespaced };
    if (!selects(namespaceSelector, inheritedLabels(one, "pcns."), meanings)) return false;
  } else if (namespace !== undefined && one.namespace !== namespace) return false;
  if (serviceAccounts !== undefined) {
    const account = one.labels["projectcalico.org/serviceaccount"];
    const { names } = serviceAccounts;
    if (names.length > 0 && (account === undefined || !names.includes(account))) return false;
    if (!selects(serviceAccounts.selector, inheritedLabels(one, "pcsa."))) return false;
  }
  return selects(selector, one.labels);
}

function isOfService(
  service: NonNullable<RuleEntity["services"]>,
  { party, protocol, port, withPorts }: End,
  { snapshot, namespace }: RuleContext,
): boolean {
  const wanted = namespacedName(service.namespace || (namespace ?? ""), service.name);
  return [...snapshot.endpointSlice.values()]
    .filter((slice) => slice.service !== undefined && namespacedName(slice.namespace, slice.service) === wanted)
    .filter(({ addresses }) => addresses.includes(party.ip))
    .some(({ ports }) => !withPorts || ports.some((one) => one.protocol === protocol && one.port === port));
}
