/** Random rules of `projectcalico.org/v3` policies, with every field, and no two that the API forbids together. */
import fc from "fast-check";
import type { PolicyRule, RuleEntity, RulePort } from "../../src/api/policy-rule.ts";
import type { IpVersion } from "../../src/net/ip.ts";
import {
  accountSelector,
  namespaceNames,
  namespaceSelector,
  networksOf,
  peerSelector,
  seldom,
} from "./random-labels.ts";

/** One rule for that direction; some are about everything, so that what they stand in decides often. */
export function calicoRule(direction: "ingress" | "egress"): fc.Arbitrary<PolicyRule> {
  return fc.oneof({ weight: 4, arbitrary: particularRule(direction) }, ruleForAll);
}

// --- internal ---

function particularRule(direction: "ingress" | "egress"): fc.Arbitrary<PolicyRule> {
  return fc
    .tuple(fc.constantFrom<IpVersion>(4, 6), fc.constantFrom<Transport>("any", "any", "ports", "ports", "icmp"))
    .chain(([version, transport]) =>
      fc.record({
        action: fc.constantFrom("Allow", "Allow", "Allow", "Deny", "Deny", "Pass", "Log"),
        ...protocolFields[transport](version),
        source: entity({ version, transport, service: direction === "ingress", isSource: true }),
        destination: entity({ version, transport, service: direction === "egress", isSource: false }),
        isRequest: fc.nat({ max: 15 }).map((one) => one === 0 && direction === "ingress" && transport !== "icmp"),
        metadata: seldom(fc.constant({ annotations: { name: "the rule" } })),
      }),
    )
    .map(({ isRequest, ...rule }): PolicyRule => {
      if (!isRequest) return rule as PolicyRule;
      const http = { methods: ["GET"], paths: [{ exact: "/" }] };
      const { notProtocol: _, ...rest } = rule as PolicyRule;
      return { ...rest, action: "Allow", protocol: rest.protocol === undefined ? undefined : 6, http };
    });
}

/** `any`: no protocol, and named ports only; `ports`: a protocol that has them. */
type Transport = "any" | "ports" | "icmp";

const ipVersion = (version: IpVersion) => seldom(fc.constant(version));

const icmpMatch = fc.record(
  { type: fc.constantFrom(8, 8, 3, 128, 135), code: fc.constantFrom(0, 1) },
  { requiredKeys: ["type"] },
);

const protocolFields: Readonly<Record<Transport, (version: IpVersion) => Record<string, fc.Arbitrary<unknown>>>> = {
  any: (version) => ({
    ipVersion: ipVersion(version),
    notProtocol: seldom(fc.constantFrom(6, 17, 132, version === 4 ? 1 : 58)),
  }),
  ports: (version) => ({ ipVersion: ipVersion(version), protocol: fc.constantFrom(6, 6, 17, 132) }),
  icmp: (version) => ({
    ipVersion: ipVersion(version),
    protocol: fc.constant(version === 4 ? 1 : 58),
    icmp: seldom(icmpMatch, 1),
    notICMP: seldom(icmpMatch, 2),
  }),
};

const portName: fc.Arbitrary<RulePort> = fc.record({ name: fc.constantFrom("http", "dns") });
const portRange: fc.Arbitrary<RulePort> = fc.constantFrom(
  { first: 80, last: 80 },
  { first: 81, last: 81 },
  { first: 443, last: 443 },
  { first: 80, last: 82 },
  { first: 1, last: 100 },
  { first: 22, last: 22 },
);
const manyPorts: fc.Arbitrary<RulePort[]> = fc
  .integer({ min: 14, max: 35 })
  .map((count) => Array.from({ length: count }, (_, index) => ({ first: 443 - 2 * index, last: 443 - 2 * index })));

function portsFor(transport: Transport): fc.Arbitrary<RulePort[]> {
  if (transport === "icmp") return fc.constant([]);
  const some = fc.array(transport === "any" ? portName : fc.oneof(portRange, portName), { minLength: 1, maxLength: 3 });
  return transport === "any" ? some : fc.oneof({ weight: 5, arbitrary: some }, manyPorts);
}

const accounts: fc.Arbitrary<RuleEntity["serviceAccounts"]> = fc
  .record({
    names: fc.subarray(["sa-1", "sa-2"]),
    selector: seldom(accountSelector, 1).map((text) => text ?? ""),
  })
  .filter(({ names, selector }) => names.length > 0 || selector !== "");

const service = fc.record({
  name: fc.constantFrom("svc-1", "svc-2"),
  namespace: fc.constantFrom(...namespaceNames),
});

const nothing = {
  nets: [],
  notNets: [],
  selector: "",
  notSelector: "",
  namespaceSelector: "",
  ports: [],
  notPorts: [],
};

const ruleForAll: fc.Arbitrary<PolicyRule> = fc
  .constantFrom("Allow" as const, "Deny" as const, "Pass" as const)
  .map((action) => ({ action, source: nothing, destination: nothing }));

interface Place {
  readonly version: IpVersion;
  readonly transport: Transport;
  /** Whether a Service can stand here. */
  readonly service: boolean;
  readonly isSource: boolean;
}

function entity({ version, transport, service: mayBeService, isSource }: Place): fc.Arbitrary<RuleEntity> {
  const rarely = isSource ? 8 : 3;
  const ports = {
    ports: seldom(portsFor(transport), rarely).map((list) => list ?? []),
    notPorts: seldom(portsFor(transport), 2 * rarely).map((list) => list ?? []),
  };
  const peers = fc.record({
    nets: seldom(networksOf(version, { all: true }), 7).map((list) => list ?? []),
    notNets: seldom(networksOf(version, { all: false, max: 2 }), 12).map((list) => list ?? []),
    selector: seldom(peerSelector, 4).map((text) => text ?? ""),
    notSelector: seldom(peerSelector, 12).map((text) => text ?? ""),
    namespaceSelector: seldom(fc.oneof(namespaceSelector, fc.constant("global()")), 8).map((text) => text ?? ""),
    serviceAccounts: seldom(accounts, 14),
    ...ports,
  });
  if (!mayBeService) return peers as fc.Arbitrary<RuleEntity>;
  const withPorts = isSource ? fc.record(ports) : fc.constant({});
  const services = fc.tuple(service, withPorts).map(([services, own]) => ({ ...nothing, ...own, services }));
  return fc.oneof({ weight: 4, arbitrary: peers as fc.Arbitrary<RuleEntity> }, services);
}
