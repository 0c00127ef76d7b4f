/** NetworkPolicy (networking.k8s.io/v1), with the meaning that the Kubernetes API documentation gives each field. */
import { z } from "zod";
import { looseCidrField } from "../fields.ts";
import type { KubeNetworkPolicy, KubePeer, KubePort, KubeRule } from "../objects.ts";
import { parseWith } from "../parse-with.ts";
import { objectMetaSchema } from "../resource.ts";
import { labelSelectorSchema } from "./label-selector.ts";

// Objects are strict from the spec down: a restriction that is not understood must not be left out.

/** A port's name as the API server checks it (RFC 6335 section 5.1, in lower case). */
const portName = /^(?=.{1,15}$)(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*$/;

const portError = "it must be 1 to 65535, or the name of a port";
const portNumber = z.int({ error: portError }).min(1, { error: portError }).max(65535, { error: portError });
const namedPort = z.string().regex(portName, { error: portError });

const portSchema = z
  .strictObject({
    protocol: z.enum(["TCP", "UDP", "SCTP"]).nullish(),
    port: z.union([portNumber, namedPort], { error: portError }).nullish(),
    endPort: z.int().min(1).max(65535).nullish(),
  })
  .check(({ value, issues }) => {
    if (value.endPort == null) return;
    if (typeof value.port === "number" && value.endPort >= value.port) return;
    const message = "it needs a numeric port that is not greater";
    issues.push({ code: "custom", input: value, path: ["endPort"], message });
  });

const peerSchema = z
  .strictObject({
    podSelector: labelSelectorSchema.nullish(),
    namespaceSelector: labelSelectorSchema.nullish(),
    ipBlock: z.strictObject({ cidr: looseCidrField(), except: z.array(looseCidrField()).nullish() }).nullish(),
  })
  .check(({ value, issues }) => {
    const bySelector = value.podSelector != null || value.namespaceSelector != null;
    if (bySelector !== (value.ipBlock != null)) return;
    const message = "it must have an ipBlock, or a podSelector or namespaceSelector or both, and no mixture";
    issues.push({ code: "custom", input: value, path: [], message });
  });

const peersSchema = z.array(peerSchema).nullish();
const portsSchema = z.array(portSchema).nullish();

const schema = z.object({
  metadata: objectMetaSchema.extend({ namespace: z.string().min(1) }),
  spec: z.strictObject({
    podSelector: labelSelectorSchema.nullish(),
    policyTypes: z.array(z.enum(["Ingress", "Egress"])).nullish(),
    ingress: z.array(z.strictObject({ from: peersSchema, ports: portsSchema })).nullish(),
    egress: z.array(z.strictObject({ to: peersSchema, ports: portsSchema })).nullish(),
  }),
});

type Spec = z.output<typeof schema>["spec"];

/** A NetworkPolicy as the API server sends it, defaults filled in. Throws InvalidObjectError. */
export function parseKubeNetworkPolicy(json: unknown): KubeNetworkPolicy {
  const { metadata, spec } = parseWith("NetworkPolicy", schema, json);
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    podSelector: spec.podSelector ?? { matchLabels: {}, matchExpressions: [] },
    types: typesOf(spec),
    ingress: (spec.ingress ?? []).map(({ from, ports }) => ruleOf(from, ports)),
    egress: (spec.egress ?? []).map(({ to, ports }) => ruleOf(to, ports)),
  };
}

// --- internal ---

function typesOf({ policyTypes, egress }: Spec): KubeNetworkPolicy["types"] {
  if (policyTypes != null && policyTypes.length > 0) return [...new Set(policyTypes)];
  // As the API server fills it in: an empty `egress` list counts as none.
  return egress != null && egress.length > 0 ? ["Ingress", "Egress"] : ["Ingress"];
}

function ruleOf(peers: z.output<typeof peersSchema>, ports: z.output<typeof portsSchema>): KubeRule {
  return { peers: (peers ?? []).map(peerOf), ports: (ports ?? []).map(portOf) };
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
