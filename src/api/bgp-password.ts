import { z } from "zod";

const secretKey = z.object({
  name: z.string().default("").describe("The name of the Secret, in the agent's namespace."),
  key: z.string().describe("The key in the Secret."),
  optional: z.boolean().optional().describe("Whether the Secret or the key may be absent."),
});

/** Where a password stands: a key of a Secret. Without `secretKeyRef` one is asked for that stands nowhere. */
export function bgpPasswordField() {
  return z.object({
    secretKeyRef: secretKey.optional().meta({ "x-kubernetes-map-type": "atomic" }).describe("Where it is."),
  });
}
