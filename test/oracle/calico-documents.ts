/** Objects of `projectcalico.org/v3` as the API has them. */
import type { NamedPort } from "../../src/api/objects.ts";
import type { PolicyRule, PolicySpec, RuleEntity, RulePort } from "../../src/api/policy-rule.ts";
import type { Resource } from "../../src/api/resource.ts";
import type { Document } from "./documents.ts";

/** The object, as its kind has it. */
export function calicoDocument(kind: keyof typeof kindNames, { metadata, spec }: Resource<object>): Document {
  const { name, namespace, labels } = metadata;
  const given = "ingress" in spec ? policyDocument(spec as PolicySpec) : "ports" in spec ? hostDocument(spec) : spec;
  return {
    ...{ apiVersion: "projectcalico.org/v3", kind: kindNames[kind] },
    metadata: { name, ...(namespace !== undefined && { namespace }), labels },
    spec: withoutEmpty(given),
  };
}

// --- internal ---

const kindNames = {
  tier: "Tier",
  networkSet: "NetworkSet",
  globalNetworkSet: "GlobalNetworkSet",
  hostEndpoint: "HostEndpoint",
  calicoNetworkPolicy: "NetworkPolicy",
  globalNetworkPolicy: "GlobalNetworkPolicy",
  stagedNetworkPolicy: "StagedNetworkPolicy",
  stagedGlobalNetworkPolicy: "StagedGlobalNetworkPolicy",
} as const;

function hostDocument(spec: object & { readonly ports?: unknown }): Document {
  const ports = (spec.ports as readonly NamedPort[]).map(({ protocol, ...rest }) => ({
    ...rest,
    protocol: protocolOf(protocol),
  }));
  return { ...spec, ports };
}

function policyDocument({ ingress, egress, ...rest }: PolicySpec): Document {
  return { ...rest, ingress: ingress.map(ruleDocument), egress: egress.map(ruleDocument) };
}

function ruleDocument({ protocol, notProtocol, source, destination, icmp, notICMP, ...rest }: PolicyRule): Document {
  const others = withoutEmpty({
    ...rest,
    protocol: protocol && protocolOf(protocol),
    notProtocol: notProtocol && protocolOf(notProtocol),
    source: entityDocument(source),
    destination: entityDocument(destination),
  });
  return { ...others, ...(icmp && { icmp }), ...(notICMP && { notICMP }) };
}

const protocolNames: Readonly<Record<number, string>> = {
  1: "ICMP",
  6: "TCP",
  17: "UDP",
  58: "ICMPv6",
  132: "SCTP",
  136: "UDPLite",
};

function protocolOf(protocol: number): string | number {
  return protocolNames[protocol] ?? protocol;
}

function entityDocument({ ports, notPorts, ...rest }: RuleEntity): Document {
  return withoutEmpty({ ...rest, ports: ports.map(portDocument), notPorts: notPorts.map(portDocument) });
}

function portDocument(port: RulePort): string | number {
  if ("name" in port) return port.name;
  return port.first === port.last ? port.first : `${port.first}:${port.last}`;
}

/** An absent field, an empty text and an empty list say the same; but a policy's type does not depend on its empty lists. */
function withoutEmpty(given: object): Document {
  const isEmpty = (value: unknown) =>
    value === undefined ||
    value === "" ||
    value === false ||
    (Array.isArray(value) && value.length === 0) ||
    (typeof value === "object" && value !== null && Object.keys(value).length === 0);
  return Object.fromEntries(Object.entries(given).filter(([, value]) => !isEmpty(value)));
}
