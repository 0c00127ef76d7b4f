/** The spec of a NetworkPolicy (networking.k8s.io/v1), which a StagedKubernetesNetworkPolicy has too. */
import { z } from "zod";
import { compactList } from "../compact-list.ts";
import { looseCidrField } from "../fields.ts";
import type { KubeNetworkPolicy, KubePeer, KubePort, KubeRule } from "../objects.ts";
import { portNamePattern } from "../port-name.ts";
import { labelSelectorSchema } from "./label-selector.ts";

// Objects are strict from the spec down: a restriction that is not understood must not be left out.

const portError = "it must be 1 to 65535, or the name of a port";
const portNumber = z.int({ error: portError }).min(1, { error: portError }).max(65535, { error: portError });
const namedPort = z.string().regex(portNamePattern, { error: portError });

const portSchema = z
  .strictObject({
    protocol: z.enum(["TCP", "UDP", "SCTP"]).nullish().describe("The protocol; TCP when it is left out."),
    port: z
      .union([portNumber, namedPort], { error: portError })
      .nullish()
      .meta({ openapi: { "x-kubernetes-int-or-string": true } })
      .describe("A port, or the name that pods give one. When it is left out: every port of the protocol."),
    endPort: z.int().min(1).max(65535).nullish().describe("The last port of a range that begins with port."),
  })
  .check(({ value, issues }) => {
    if (value.endPort == null) return;
    if (typeof value.port === "number" && value.endPort >= value.port) return;
    const message = "it needs a numeric port that is not greater";
    issues.push({ code: "custom", input: value, path: ["endPort"], message });
  });

const peerSchema = z
  .strictObject({
    podSelector: labelSelectorSchema.nullish().describe("Pods with such labels, of the policy's namespace."),
    namespaceSelector: labelSelectorSchema
      .nullish()
      .describe("Pods of namespaces with such labels; with podSelector, those of its labels there."),
    ipBlock: z
      .strictObject({
        cidr: looseCidrField().describe("The network, such as 10.0.0.0/8."),
        except: z.array(looseCidrField()).nullish().describe("Networks in it that are left out."),
      })
      .nullish()
      .describe("A network. Not together with a selector."),
  })
  .check(({ value, issues }) => {
    const bySelector = value.podSelector != null || value.namespaceSelector != null;
    if (bySelector !== (value.ipBlock != null)) return;
    const message = "it must have an ipBlock, or a podSelector or namespaceSelector or both, and no mixture";
    issues.push({ code: "custom", input: value, path: [], message });
  });

const peersSchema = z.array(peerSchema).nullish();
const portsSchema = z
  .array(portSchema)
  .nullish()
  .describe("The destination's port must be one of these. Empty: every port of every protocol.");

/** The fields of the spec. */
export const networkPolicyFields = {
  podSelector: labelSelectorSchema.nullish().describe("What the policy applies to: pods of its namespace, by labels."),
  policyTypes: z
    .array(z.enum(["Ingress", "Egress"]))
    .nullish()
    .describe("The directions that it isolates pods in. Empty: Ingress, and Egress if it has rules for that."),
  ingress: z
    .array(
      z.strictObject({
        from: peersSchema.describe("The source must be one of these. Empty: everything."),
        ports: portsSchema,
      }),
    )
    .nullish()
    .describe("What may come in: what one of these rules lets through."),
  egress: z
    .array(
      z.strictObject({
        to: peersSchema.describe("The destination must be one of these. Empty: everything."),
        ports: portsSchema,
      }),
    )
    .nullish()
    .describe("What may go out: what one of these rules lets through."),
};

type Spec = z.output<z.ZodObject<typeof networkPolicyFields>>;

/** What the spec says, defaults filled in. */
export function networkPolicySpecOf(
  spec: Spec,
): Pick<KubeNetworkPolicy, "podSelector" | "types" | "ingress" | "egress"> {
  return {
    podSelector: spec.podSelector ?? { matchLabels: {}, matchExpressions: [] },
    types: typesOf(spec),
    ingress: compactList((spec.ingress ?? []).map(({ from, ports }) => ruleOf(from, ports))),
    egress: compactList((spec.egress ?? []).map(({ to, ports }) => ruleOf(to, ports))),
  };
}

// --- internal ---

function typesOf({ policyTypes, egress }: Spec): KubeNetworkPolicy["types"] {
  if (policyTypes != null && policyTypes.length > 0) return [...new Set(policyTypes)];
  // As the API server fills it in: an empty `egress` list counts as none.
  return egress != null && egress.length > 0 ? ["Ingress", "Egress"] : ["Ingress"];
}

function ruleOf(peers: z.output<typeof peersSchema>, ports: z.output<typeof portsSchema>): KubeRule {
  return { peers: compactList((peers ?? []).map(peerOf)), ports: compactList((ports ?? []).map(portOf)) };
}

function peerOf({ ipBlock, podSelector, namespaceSelector }: z.output<typeof peerSchema>): KubePeer {
  if (ipBlock != null) return { kind: "block", cidr: ipBlock.cidr, except: ipBlock.except ?? [] };
  return {
    kind: "pods",
    ...(podSelector == null ? {} : { podSelector }),
    ...(namespaceSelector == null ? {} : { namespaceSelector }),
  };
}

function portOf({ protocol, port, endPort }: z.output<typeof portSchema>): KubePort {
  return { protocol: protocol ?? "TCP", port: port ?? undefined, endPort: endPort ?? undefined };
}
