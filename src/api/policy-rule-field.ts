/** The schema of one rule of a `projectcalico.org/v3` policy. */
import { z } from "zod";
import { cidrVersion } from "../net/cidr.ts";
import { type Rule, withRules } from "./custom-kind.ts";
import type { PolicyRule, RulePort } from "./policy-rule.ts";
import { ruleEntityField } from "./rule-entity.ts";
import { ruleHttpField } from "./rule-http.ts";
import { protocolField, protocolsWithPorts } from "./rule-ports.ts";

/** Where a rule stands. */
export interface RulePlace {
  readonly direction: "ingress" | "egress";
  /** In a policy of no namespace. */
  readonly global: boolean;
}

const icmpFields = z.strictObject({
  type: z.int().min(0).max(254).optional().describe("The ICMP type, such as 8 for an echo request."),
  code: z.int().min(0).max(255).optional().describe("The ICMP code; needs a type."),
});

const codeNeedsType: Rule<z.output<typeof icmpFields>> = {
  cel: "!has(self.code) || has(self.type)",
  message: "a code needs a type",
  field: "code",
  holds: ({ code, type }) => code === undefined || type !== undefined,
};

const icmp = withRules(icmpFields, [codeNeedsType]).optional();

const annotationsLimit = 256 * 1024;

const metadata = z
  .strictObject({
    annotations: z
      .record(z.string(), z.string())
      .optional()
      .transform((map) => map ?? {})
      .describe("Texts by name, 256 KiB in all."),
  })
  .refine(({ annotations }) => sizeOf(annotations) <= annotationsLimit, {
    path: ["annotations"],
    error: "they must have at most 262144 characters in all",
  })
  .optional()
  .describe("What people want to say about the rule; it decides nothing.");

const fields = z.strictObject({
  action: z
    .enum(["Allow", "Deny", "Log", "Pass"])
    .describe("Allow and Deny decide. Log notes the packet and goes on. Pass leaves the rest of the tier out."),
  ipVersion: z
    .literal([4, 6])
    .optional()
    .meta({ openapi: { type: "integer", enum: [4, 6] } })
    .describe("Only packets of this family."),
  protocol: protocolField()
    .optional()
    .describe("Only this protocol: TCP, UDP, ICMP, ICMPv6, SCTP, UDPLite, or a number from 1 to 255."),
  notProtocol: protocolField().optional().describe("Any protocol but this one."),
  icmp: icmp.describe("Only ICMP messages of this type. The protocol must be ICMP or ICMPv6."),
  notICMP: icmp.describe("Any ICMP message but those of this type. The protocol must be ICMP or ICMPv6."),
  source: ruleEntityField().describe("Where the packet comes from."),
  destination: ruleEntityField().describe("Where the packet goes to."),
  http: ruleHttpField(),
  metadata,
});

type Fields = z.output<typeof fields>;

/** A rule of a policy, with what may stand in it there. */
export function policyRuleField(place: RulePlace) {
  return withRules(fields, [...everywhere, ...rulesOf(place)]).transform(ruleOf);
}

// --- internal ---

const icmpProtocol = { 4: 1, 6: 58 } as const;
const icmpNames = { 4: "ICMP", 6: "ICMPv6" } as const;

const celIs = (field: string, name: string, number: number) =>
  `(self.${field} == '${name}' || self.${field} == ${number} || self.${field} == '${number}')`;
const celIsIcmp = `has(self.protocol) && (${celIs("protocol", "ICMP", 1)} || ${celIs("protocol", "ICMPv6", 58)})`;
const celHasPorts = [celIs("protocol", "TCP", 6), celIs("protocol", "UDP", 17), celIs("protocol", "SCTP", 132)].join(
  " || ",
);

const ends = ["source", "destination"] as const;
const netLists = {
  source: ["source.nets", "source.notNets"],
  destination: ["destination.nets", "destination.notNets"],
} as const;
const celPorts = `[${ends
  .flatMap((end) => [`${end}.ports`, `${end}.notPorts`])
  .map(celList)
  .join(", ")}]`;

const everywhere: readonly Rule<Fields>[] = [
  needsIcmp("icmp"),
  needsIcmp("notICMP"),
  ...(["protocol", "notProtocol"] as const).flatMap((field) => [icmpOfFamily(field, 4), icmpOfFamily(field, 6)]),
  {
    // The API server could not count the cost of reading text here: 80 it refuses, "80" is left to our own check.
    cel:
      `${celPorts}.all(ports, size(ports) == 0 || ` +
      `(has(self.protocol) ? ${celHasPorts} : ports.all(port, type(port) == string)))`,
    message: "ports need the protocol TCP, UDP or SCTP; names of ports may also stand without a protocol",
    field: "",
    holds: ({ protocol, source, destination }) => {
      const ports = [source, destination].flatMap((end) => [...end.ports, ...end.notPorts]);
      return protocol === undefined ? ports.every(isName) : ports.length === 0 || protocolsWithPorts.includes(protocol);
    },
  },
  {
    cel: oneFamilyCel(),
    message: "the networks of a rule must be of one family, and of its ipVersion",
    field: "",
    holds: ({ ipVersion, source, destination }) => {
      const nets = [source, destination].flatMap((end) => [...end.nets, ...end.notNets]);
      return new Set([...nets.map(cidrVersion), ...(ipVersion === undefined ? [] : [ipVersion])]).size < 2;
    },
  },
  {
    cel: `!has(self.http) || self.action == 'Allow' && (!has(self.protocol) || ${celIs("protocol", "TCP", 6)})`,
    message: "http can stand only in a rule with the action Allow, and with the protocol TCP or none",
    field: "http",
    holds: ({ http, action, protocol = 6 }) => http === undefined || (action === "Allow" && protocol === 6),
  },
];

function rulesOf({ direction, global }: RulePlace): readonly Rule<Fields>[] {
  const [served, other] =
    direction === "ingress" ? (["source", "destination"] as const) : (["destination", "source"] as const);
  return [
    {
      cel: `!has(self.${other}) || !has(self.${other}.services)`,
      message: `services can stand only in the ${served} of an ${direction} rule`,
      field: `${other}.services`,
      holds: (rule) => rule[other].services === undefined,
    },
    ...(global ? [servicesNeedNamespace(served)] : []),
    ...(direction === "egress" ? [servicesBringPorts, httpIsForIngress] : []),
  ];
}

function servicesNeedNamespace(end: "source" | "destination"): Rule<Fields> {
  return {
    cel: `self.?${end}.?services.?namespace.orValue('') != '' || !has(self.${end}) || !has(self.${end}.services)`,
    message: "services need a namespace, as the policy has none",
    field: `${end}.services`,
    holds: (rule) => rule[end].services?.namespace !== "",
  };
}

const servicesBringPorts: Rule<Fields> = {
  cel:
    "!has(self.destination) || !has(self.destination.services) || " +
    `size(${celList("destination.ports")}) == 0 && size(${celList("destination.notPorts")}) == 0`,
  message: "services bring their own ports; leave ports and notPorts out",
  field: "destination.services",
  holds: ({ destination: { services, ports, notPorts } }) =>
    services === undefined || ports.length + notPorts.length === 0,
};

const httpIsForIngress: Rule<Fields> = {
  cel: "!has(self.http)",
  message: "http can stand in ingress rules only",
  field: "http",
  holds: ({ http }) => http === undefined,
};

function needsIcmp(field: "icmp" | "notICMP"): Rule<Fields> {
  return {
    cel: `!has(self.${field}) || ${celIsIcmp}`,
    message: `${field} needs the protocol ICMP or ICMPv6`,
    field,
    holds: ({ [field]: icmp, protocol }) => icmp === undefined || protocol === 1 || protocol === 58,
  };
}

function icmpOfFamily(field: "protocol" | "notProtocol", version: 4 | 6): Rule<Fields> {
  const [name, number] = [icmpNames[version], icmpProtocol[version]];
  return {
    cel: `!has(self.${field}) || !has(self.ipVersion) || self.ipVersion == ${version} || !${celIs(field, name, number)}`,
    message: `${name} is of IPv${version}`,
    field,
    holds: ({ [field]: protocol, ipVersion = version }) => protocol !== number || ipVersion === version,
  };
}

/** Each end is of one family by itself, so the first network of each list speaks for it. */
function oneFamilyCel(): string {
  const absent = (list: string) => `size(${celList(list)}) == 0`;
  const isIpv6 = (list: string) => `self.${list}[0].contains(':')`;
  const ofIpVersion = [...netLists.source, ...netLists.destination].map(
    (list) => `(${absent(list)} || ${isIpv6(list)} == (self.ipVersion == 6))`,
  );
  const alike = netLists.source.flatMap((one) =>
    netLists.destination.map((two) => `(${absent(one)} || ${absent(two)} || ${isIpv6(one)} == ${isIpv6(two)})`),
  );
  return `(!has(self.ipVersion) || ${ofIpVersion.join(" && ")}) && ${alike.join(" && ")}`;
}

/** The list at `path` of the rule; an empty one when it, or what it should stand in, is absent. */
function celList(path: string): string {
  return `self.${path
    .split(".")
    .map((name) => `?${name}`)
    .join(".")}.orValue([])`;
}

function isName(port: RulePort): boolean {
  return "name" in port;
}

function sizeOf(annotations: Readonly<Record<string, string>>): number {
  return Object.entries(annotations).reduce((sum, [name, text]) => sum + name.length + text.length, 0);
}

/** An `icmp` without a type asks for nothing beyond the protocol. */
function ruleOf({ icmp, notICMP, ...rule }: Fields): PolicyRule {
  return {
    ...rule,
    ...(icmp?.type === undefined ? {} : { icmp }),
    ...(notICMP?.type === undefined ? {} : { notICMP }),
  };
}
