import { z } from "zod";
import { conditions } from "./condition.ts";
import type { CustomKind } from "./custom-kind.ts";
import { durationField } from "./fields.ts";
import { type DeepReadonly, parseResource, type Resource } from "./resource.ts";

const onOff = z.enum(["Enabled", "Disabled"]);
const reconcilerPeriod = durationField()
  .default("5m")
  .describe("At the latest so long after one comparison of all there is comes the next.");

const node = z.object({
  reconcilerPeriod,
  syncLabels: onOff.default("Enabled").describe("Whether the labels of Kubernetes Nodes count for selectors."),
  leakGracePeriod: durationField()
    .default("15m")
    .describe("For how long an address must look leaked before it is given back. 0: addresses are never taken back."),
});

const spec = z.object({
  controllers: z
    .object({ node: node.optional().describe("The node controller: nodes, and leaked addresses.") })
    .default({})
    .describe("One entry a controller."),
});

/** Settings of `margay controllers`; the object is called `default`. */
type KubeControllersConfigurationSpec = DeepReadonly<z.output<typeof spec>>;
/** A checked KubeControllersConfiguration. */
export type KubeControllersConfiguration = Resource<KubeControllersConfigurationSpec>;

/** What the KubeControllersConfiguration kind is: its schema and names. */
export const kubeControllersConfiguration: CustomKind<typeof spec> = {
  kind: "KubeControllersConfiguration",
  plural: "kubecontrollersconfigurations",
  singular: "kubecontrollersconfiguration",
  shortNames: [],
  aliases: ["kubecontrollersconfig", "kubecontrollersconfigs"],
  description: "Settings of the cluster-wide controllers. There is one, called default.",
  spec,
  status: z.object({ conditions }),
  columns: [],
  example: { controllers: { node: { leakGracePeriod: "15m" } } },
};

/** Throws InvalidObjectError. */
export function parseKubeControllersConfiguration(json: unknown): KubeControllersConfiguration {
  return parseResource(kubeControllersConfiguration.kind, spec, json);
}
