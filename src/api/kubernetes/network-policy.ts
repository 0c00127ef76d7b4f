/** NetworkPolicy (networking.k8s.io/v1), with the meaning that the Kubernetes API documentation gives each field. */
import { z } from "zod";
import type { KubeNetworkPolicy } from "../objects.ts";
import { parseWith } from "../parse-with.ts";
import { objectMetaSchema, revisionOf } from "../resource.ts";
import { networkPolicyFields, networkPolicySpecOf } from "./network-policy-spec.ts";

const schema = z.object({
  metadata: objectMetaSchema.extend({ namespace: z.string().min(1) }),
  spec: z.strictObject(networkPolicyFields),
});

/** A NetworkPolicy as the API server sends it, defaults filled in. Throws InvalidObjectError. */
export function parseKubeNetworkPolicy(json: unknown): KubeNetworkPolicy {
  const { metadata, spec } = parseWith("NetworkPolicy", schema, json);
  const { namespace, name } = metadata;
  return { namespace, name, revision: revisionOf(metadata), ...networkPolicySpecOf(spec) };
}
