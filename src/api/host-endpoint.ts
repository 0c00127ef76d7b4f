import { z } from "zod";
import { type CustomKind, type Rule, validations, withRules } from "./custom-kind.ts";
import { ipField } from "./fields.ts";
import type { NamedPort } from "./objects.ts";
import { parseObject } from "./parse-object.ts";
import { portNamePattern } from "./port-name.ts";
import type { DeepReadonly, Resource } from "./resource.ts";
import { protocolField, protocolsWithPorts } from "./rule-ports.ts";

const interfacePattern = /^[a-zA-Z0-9_.-]{1,15}$/;
const interfaceRule: Rule<string> = {
  cel: `self == '' || self == '*' || self.matches('${interfacePattern.source}')`,
  message: "it must be * or the name of an interface, at most 15 letters, digits, dots, dashes and underscores",
  field: "",
  holds: (name) => name === "" || name === "*" || interfacePattern.test(name),
};

const portNameRule: Rule<string> = {
  cel: "size(self) <= 15 && self.matches('^[a-z0-9]+(-[a-z0-9]+)*$') && self.matches('[a-z]')",
  message: "it must be the name of a port: at most 15 small letters, digits and dashes, with one letter at least",
  field: "",
  holds: (name) => portNamePattern.test(name),
};

/** One of the parts of a HostEndpoint. */
export const hostEndpointFields = {
  interfaceName: withRules(z.string().max(128), [interfaceRule]),
  expectedIP: ipField().meta({
    openapi: {
      type: "string",
      maxLength: 45,
      ...validations([{ cel: "isIP(self)", message: "it must be an IPv4 or IPv6 address", field: "" }]),
    },
  }),
  profile: z.string().min(1).max(512),
  port: z
    .object({
      name: withRules(z.string().max(63), [portNameRule]).describe("How rules call the port."),
      protocol: protocolField()
        .refine((number) => protocolsWithPorts.includes(number), {
          error: "it must be a protocol that has ports: TCP, UDP or SCTP",
        })
        .meta({
          openapi: { "x-kubernetes-int-or-string": true, enum: ["TCP", "UDP", "SCTP", 6, 17, 132, "6", "17", "132"] },
        })
        .describe("TCP, UDP or SCTP, or its number."),
      port: z.int().min(1).max(65535).describe("The number of the port."),
    })
    .transform((port): NamedPort => port),
};

const fields = z.object({
  node: z.string().min(1).max(253).describe("The name of the node."),
  interfaceName: hostEndpointFields.interfaceName
    .optional()
    .transform((name) => name ?? "")
    .describe(
      "The interface of the node, or * for every one that is no workload's and has no host endpoint of its own. " +
        "Empty: those that have one of expectedIPs.",
    ),
  expectedIPs: z
    .array(hostEndpointFields.expectedIP)
    .max(1024)
    .default([])
    .meta({ "x-kubernetes-list-type": "set" })
    .describe(
      "The addresses of the interface: by these it is found if it has no name, and these are what rules select.",
    ),
  profiles: z
    .array(hostEndpointFields.profile)
    .max(64)
    .optional()
    .transform((profiles) => profiles ?? [])
    .meta({ "x-kubernetes-list-type": "set" })
    .describe("The profiles that decide after all policies, such as projectcalico-default-allow. With none, deny."),
  ports: z.array(hostEndpointFields.port).max(1024).default([]).describe("Ports that rules may call by name."),
});

const rules: readonly Rule<z.output<typeof fields>>[] = [
  {
    cel: "has(self.interfaceName) && size(self.interfaceName) > 0 || has(self.expectedIPs) && size(self.expectedIPs) > 0",
    message: "at least one of interfaceName or expectedIPs must be specified",
    field: "",
    holds: ({ interfaceName, expectedIPs }) => interfaceName !== "" || expectedIPs.length > 0,
  },
];

const spec = withRules(fields, rules);

/** A checked HostEndpoint. */
export type HostEndpoint = Resource<DeepReadonly<z.output<typeof spec>>>;

/** What the HostEndpoint kind is: its schema, names and rules. */
export const hostEndpoint: CustomKind<typeof spec> = {
  kind: "HostEndpoint",
  plural: "hostendpoints",
  singular: "hostendpoint",
  shortNames: ["hep", "heps"],
  aliases: [],
  description:
    "An interface of a node itself, to which policies apply by the labels of this object. Whatever no policy allows on it " +
    "is then denied, but for the failsafe ports.",
  spec,
  columns: [
    { name: "Node", path: ".spec.node", type: "string", description: "The node" },
    { name: "Interface", path: ".spec.interfaceName", type: "string", description: "Its interface", wide: true },
    { name: "IPs", path: ".spec.expectedIPs", type: "string", description: "Its addresses", wide: true },
    { name: "Profiles", path: ".spec.profiles", type: "string", description: "Its profiles", wide: true },
  ],
  example: {
    node: "node-1",
    interfaceName: "eth0",
    expectedIPs: ["192.0.2.7", "2001:db8::7"],
    profiles: ["projectcalico-default-allow"],
    ports: [{ name: "https", protocol: "TCP", port: 443 }],
  },
};

/** Throws InvalidObjectError. */
export function parseHostEndpoint(json: unknown): HostEndpoint {
  return parseObject(hostEndpoint, json);
}
