/** What is asked of a node's agent over its TLS endpoint, and answered: JSON on both ways. */
import { z } from "zod";
import type { Ip } from "../net/ip.ts";
import { ipField } from "./fields.ts";
import type { NodeName } from "./names.ts";

/** POST here with `AddressQuery`; the answer is an `AddressAnswer`. */
export const addressesPath = "/v1/addresses";

/** POST here with `{}`; the answer is a `PoliciesAnswer`. */
export const policiesPath = "/v1/policies";

/** The audience of the tokens that an agent accepts. */
export const agentAudience = "margay-agent";

/** The DNS name in the certificate that an agent shows: whichever node it is on, its certificate itself is known beforehand. */
export const agentServerName = "margay-agent";

/** Whose tokens an agent accepts: this ServiceAccount of `systemNamespace`. */
export const controllersServiceAccount = "margay-controllers";

/** Annotations on an agent's Lease: where it answers (`https://ADDRESS:PORT`), and the certificate it shows there (PEM). */
export const agentAnnotations = {
  endpoint: "query.margay.io/endpoint",
  certificate: "query.margay.io/certificate",
} as const;

/** The name of the Lease, in `systemNamespace`, that a node's agent renews while it lives. */
export function agentLeaseName(node: NodeName): string {
  return `margay-agent.${node}`;
}

/** So many addresses can be asked about in one question. */
export const maxAddressesAsked = 65_536;

const querySchema = z.object({
  /** Only these; when absent all, but for loopback and link-local IPv6 ones, which every namespace has. */
  ips: z.array(ipField()).max(maxAddressesAsked).optional(),
});

/** Which of these addresses does the node use? */
export interface AddressQuery {
  readonly ips?: readonly Ip[] | undefined;
}

/** Throws a ZodError. */
export function parseAddressQuery(json: unknown): AddressQuery {
  return querySchema.parse(json) as AddressQuery;
}

const useSchema = z.object({
  ip: ipField(),
  kind: z.enum(["attachment", "interface", "route"]),
  interface: z.string(),
  namespace: z.string(),
  pod: z.string().optional(),
  containerId: z.string().optional(),
});

/** One way in which the node uses an address. */
export interface AddressUse {
  readonly ip: Ip;
  /** Given to a container by the node's CNI; an address of an interface; or a host route of the node's own to it. */
  readonly kind: "attachment" | "interface" | "route";
  readonly interface: string;
  /** `host`, or the path or inode of the network namespace; `unknown` where another plugin made it. */
  readonly namespace: string;
  /** `namespace/name`, where it is known. */
  readonly pod?: string | undefined;
  readonly containerId?: string | undefined;
}

const answerSchema = z.object({ node: z.string().transform((name) => name as NodeName), uses: z.array(useSchema) });

/** Everything found; an address that is not in it is used by nothing on the node. */
export interface AddressAnswer {
  readonly node: NodeName;
  readonly uses: readonly AddressUse[];
}

/** Throws a ZodError. */
export function parseAddressAnswer(json: unknown): AddressAnswer {
  return answerSchema.parse(json);
}

const policySchema = z.object({
  id: z.string(),
  tier: z.string(),
  staged: z.boolean(),
  uid: z.string(),
  generation: z.int(),
  endpoints: z.int(),
  problems: z.array(z.string()),
});

/** One policy that a node's kernel holds. */
export interface PolicyInForce {
  /** `np/shop/web`, `gnp/base`: short kind, namespace, name. */
  readonly id: string;
  readonly tier: string;
  /** Counted, not enforced. */
  readonly staged: boolean;
  /** metadata.uid and metadata.generation of the object that the rules in the kernel were made from. */
  readonly uid: string;
  readonly generation: number;
  /** How many endpoints of the node have it, at whatever stage. */
  readonly endpoints: number;
  /** What of it is not enforced as written, one sentence each. */
  readonly problems: readonly string[];
}

const policiesAnswerSchema = z.object({
  node: z.string().transform((name) => name as NodeName),
  pending: z.boolean(),
  policies: z.array(policySchema),
});

/** What the node's kernel has acknowledged last. */
export interface PoliciesAnswer {
  readonly node: NodeName;
  /** Something newer is on its way into the kernel. */
  readonly pending: boolean;
  readonly policies: readonly PolicyInForce[];
}

/** Throws a ZodError. */
export function parsePoliciesAnswer(json: unknown): PoliciesAnswer {
  return policiesAnswerSchema.parse(json);
}
