import { z } from "zod";
import type { Cidr } from "../../net/cidr.ts";
import { conditions } from "../condition.ts";
import type { CustomKind } from "../custom-kind.ts";
import type { LabelSelector, Revision } from "../objects.ts";
import { parseWith } from "../parse-with.ts";
import { objectMetaSchema, revisionOf } from "../resource.ts";
import { podPeerFields, podPeerOf } from "./cluster-pod-peer.ts";
import { egressRule, ingressRule, readClusterRule } from "./cluster-rule.ts";
import { oneOf } from "./one-of.ts";

/** A ClusterNetworkPolicy (policy.networking.k8s.io/v1alpha2), checked. */
export interface ClusterNetworkPolicy {
  readonly name: string;
  readonly revision: Revision;
  readonly tier: "Admin" | "Baseline";
  /** 0 to 1000; lower is earlier. */
  readonly priority: number;
  readonly subject: ClusterPodPeer;
  readonly ingress: readonly ClusterRule[];
  readonly egress: readonly ClusterRule[];
  /** Of each rule that could not be read: where it stands, what is wrong, and what became of it. One sentence each. */
  readonly problems: readonly string[];
}

/**
 * One rule, in its place. One that could not be read denies everything there; if it was to accept, it is for no network at
 * all, and so matches nothing.
 */
export interface ClusterRule {
  /** Empty: none. */
  readonly name: string;
  readonly action: "Accept" | "Deny" | "Pass";
  /** Empty, which only a rule that could not be read is: everybody. */
  readonly peers: readonly ClusterPeer[];
  /** Empty: every protocol and port. */
  readonly ports: readonly ClusterPort[];
}

/** Who may be at the other end. */
export type ClusterPeer = ClusterPodPeer | { readonly kind: "networks"; readonly cidrs: readonly Cidr[] };

/** Pods of the namespaces; without a podSelector, all of them. */
export interface ClusterPodPeer {
  readonly kind: "pods";
  readonly namespaceSelector: LabelSelector;
  readonly podSelector: LabelSelector | undefined;
}

/** Ports of one protocol, or the name of a port of any. */
export type ClusterPort =
  | {
      /** IANA protocol number. */
      readonly protocol: number;
      /** Undefined: every port. */
      readonly range: { readonly first: number; readonly last: number } | undefined;
    }
  | { readonly name: string };

const spec = z.strictObject({
  tier: z
    .enum(["Admin", "Baseline"])
    .describe("Admin: before every NetworkPolicy. Baseline: after them, for what they do not decide."),
  priority: z
    .int()
    .min(0)
    .max(1000)
    .meta({ format: "int32" })
    .describe("The place among the policies of the tier, 0 to 1000: a lower one is asked first."),
  subject: oneOf(podPeerFields).describe("The pods that the policy is for."),
  ingress: z
    .array(ingressRule)
    .max(25)
    .optional()
    .describe("Rules for what comes in to these pods. The first that matches decides."),
  egress: z
    .array(egressRule)
    .max(25)
    .optional()
    .describe("Rules for what goes out from these pods. The first that matches decides."),
});

/** What the ClusterNetworkPolicy kind is, by upstream's specification: schema, names and rules. */
export const clusterNetworkPolicy: CustomKind<typeof spec> = {
  kind: "ClusterNetworkPolicy",
  plural: "clusternetworkpolicies",
  singular: "clusternetworkpolicy",
  shortNames: ["cnp"],
  aliases: [],
  foreign: {
    group: "policy.networking.k8s.io",
    version: "v1alpha2",
    approvedBy: "https://github.com/kubernetes-sigs/network-policy-api/pull/300",
  },
  description:
    "An administrator's policy for pods of the whole cluster, before or after the NetworkPolicies of namespaces.",
  spec,
  status: z.object({ conditions: conditions.describe("What implementations say of the policy.") }),
  columns: [
    { name: "Tier", path: ".spec.tier", type: "string", description: "Before or after every NetworkPolicy" },
    { name: "Priority", path: ".spec.priority", type: "string", description: "The place in the tier" },
  ],
  example: {
    tier: "Admin",
    priority: 10,
    subject: { namespaces: { matchLabels: { tenant: "a" } } },
    ingress: [
      {
        name: "from-monitoring",
        action: "Accept",
        from: [{ namespaces: { matchLabels: { "kubernetes.io/metadata.name": "monitoring" } } }],
        protocols: [{ tcp: { destinationPort: { number: 9090 } } }],
      },
    ],
    egress: [{ name: "no-metadata", action: "Deny", to: [{ networks: ["169.254.169.254/32"] }] }],
  },
};

const rules = z.array(z.unknown()).optional();
const readable = z.object({ metadata: objectMetaSchema, spec: spec.extend({ ingress: rules, egress: rules }) });

/**
 * A ClusterNetworkPolicy as the API server sends it. A rule that cannot be read does not spoil the rest: see ClusterRule,
 * and `problems`. Throws InvalidObjectError for everything else.
 */
export function parseClusterNetworkPolicy(json: unknown): ClusterNetworkPolicy {
  const { metadata, spec } = parseWith("ClusterNetworkPolicy", readable, json);
  const ingress = (spec.ingress ?? []).map((rule, place) => readClusterRule("ingress", place, rule));
  const egress = (spec.egress ?? []).map((rule, place) => readClusterRule("egress", place, rule));
  return {
    name: metadata.name,
    revision: revisionOf(metadata),
    tier: spec.tier,
    priority: spec.priority,
    subject: podPeerOf(spec.subject),
    ingress: ingress.map(({ rule }) => rule),
    egress: egress.map(({ rule }) => rule),
    problems: [...ingress, ...egress].flatMap(({ problem }) => problem ?? []),
  };
}
