import { z } from "zod";
import type { ClusterPodPeer } from "./cluster-network-policy.ts";
import { labelSelectorSchema } from "./label-selector.ts";

/** The two ways to select pods, one of which is there. Pods on their node's own network are never among them. */
export const podPeerFields = {
  namespaces: labelSelectorSchema.optional().describe("All pods of these namespaces; when it is empty, of every one."),
  pods: z
    .strictObject({
      namespaceSelector: labelSelectorSchema
        .optional()
        .describe("Which namespaces, by their labels; when it is empty or absent, every one."),
      podSelector: labelSelectorSchema.describe("Which of their pods, by their labels; when it is empty, all."),
    })
    .optional()
    .describe("Pods by their labels, in namespaces by theirs."),
};

/** The pods that one of the two selects. */
export function podPeerOf({ namespaces, pods }: z.output<z.ZodObject<typeof podPeerFields>>): ClusterPodPeer {
  return {
    kind: "pods",
    namespaceSelector: namespaces ?? pods?.namespaceSelector ?? { matchLabels: {}, matchExpressions: [] },
    podSelector: pods?.podSelector,
  };
}
