import { z } from "zod";
import { conditions } from "./condition.ts";
import type { CustomKind } from "./custom-kind.ts";
import { durationField, networkField, selectorField } from "./fields.ts";
import { freedLately, heldRelease } from "./held-release.ts";
import { parseObject } from "./parse-object.ts";
import type { DeepReadonly, Resource } from "./resource.ts";

const onOff = z.enum(["Enabled", "Disabled"]);

const hostEndpointTemplate = z.object({
  generateName: z.string().max(253).optional().describe("What the names of the host endpoints end with."),
  interfaceCIDRs: z
    .array(networkField())
    .max(100)
    .optional()
    .meta({ "x-kubernetes-list-type": "set" })
    .describe("Only a node's addresses in these networks are expected on the host endpoint."),
  interfacePattern: z
    .string()
    .max(1024)
    .optional()
    .describe("A regular expression over the names of a node's interfaces. A template that has one is without effect."),
  labels: z
    .record(z.string(), z.string())
    .optional()
    .describe("Labels of the host endpoint; they go before the node's."),
  annotations: z.record(z.string(), z.string()).optional().describe("Annotations of the host endpoint."),
  nodeSelector: selectorField().optional().describe("Which nodes get such a host endpoint, by their labels."),
});

const hostEndpoint = z.object({
  autoCreate: onOff.default("Disabled").describe("Whether every node gets host endpoints."),
  createDefaultHostEndpoint: onOff
    .default("Enabled")
    .describe("Whether the one for all interfaces of a node, NODE-auto-hep, is among them."),
  templates: z
    .array(hostEndpointTemplate)
    .max(100)
    .optional()
    .meta({ "x-kubernetes-list-type": "atomic" })
    .describe("Further host endpoints of each node."),
});

const node = z.object({
  reconcilerPeriod: durationField()
    .default("5m")
    .describe(
      "Everything is compared at least this often, also when nothing changed. Less than a second counts as a second.",
    ),
  syncLabels: onOff
    .default("Enabled")
    .describe(
      "Whether labels of Kubernetes Nodes are copied to Calico's own Node objects. With the Kubernetes datastore there " +
        "are no such objects: selectors see the Kubernetes Node's labels themselves, whatever stands here, and " +
        "status.runningConfig says Disabled, as nothing is copied.",
    ),
  hostEndpoint: hostEndpoint
    .optional()
    .describe("Host endpoints made for every node, and taken away when no longer wanted."),
  leakGracePeriod: durationField()
    .default("15m")
    .describe(
      "For how long an address must look leaked before it is given back; and how long after the last sign of life of a " +
        "deleted node's agent its addresses are. 0: no address is ever taken back.",
    ),
});

const etcdOnly = (what: string) =>
  z
    .object({ reconcilerPeriod: durationField().default("5m").describe("How often everything is compared.") })
    .optional()
    .describe(`${what} Accepted for compatibility; not used with the Kubernetes datastore.`);

const controllers = z.object({
  node: node
    .optional()
    .describe("Takes back leaked addresses and cleans up after nodes that are gone. Leave it out to switch it off."),
  policy: etcdOnly("Copies NetworkPolicies into etcd."),
  workloadEndpoint: etcdOnly("Copies pods' labels into etcd."),
  serviceAccount: etcdOnly("Copies ServiceAccounts into etcd."),
  namespace: etcdOnly("Copies Namespaces into etcd."),
  loadBalancer: z
    .object({
      assignIPs: z
        .enum(["AllServices", "RequestedServicesOnly"])
        .default("AllServices")
        .describe("Whether every Service of type LoadBalancer gets an address, or only one that asks by annotation."),
    })
    .optional()
    .describe("Gives addresses of pools to Services of type LoadBalancer. Accepted, but without effect: out of scope."),
  migration: z
    .object({
      policyNameMigrator: onOff.default("Enabled").describe("Whether policies with old storage names are renamed."),
    })
    .optional()
    .describe("Migrations from older releases of Calico. Accepted, but without effect: there is nothing to migrate."),
});

const port = (what: string) => z.int().min(0).max(65_535).describe(what);

const spec = z.object({
  logSeverityScreen: z
    .enum(["None", "Debug", "Info", "Warning", "Error", "Fatal", "Panic"])
    .default("Info")
    .describe("The least severe messages that are logged. Fatal and Panic count as Error. None: no message at all."),
  healthChecks: onOff
    .default("Enabled")
    .describe("Whether health is told, as /healthz by HTTP on prometheusMetricsPort."),
  etcdV3CompactionPeriod: durationField()
    .default("10m")
    .describe("How often etcd is compacted. Accepted for compatibility; not used with the Kubernetes datastore."),
  prometheusMetricsPort: port("Where metrics are served for Prometheus, as /metrics by HTTP; 0: nowhere.").default(
    9094,
  ),
  debugProfilePort: port(
    "Where profiles of the process are served; 0 or absent: nowhere. Accepted, but without effect.",
  ).optional(),
  controllers: controllers.describe("The controllers that run. One that is left out is switched off."),
});

/** Settings of `margay controllers`; the object is called `default`. */
export type KubeControllersConfigurationSpec = DeepReadonly<z.output<typeof spec>>;
/** A checked KubeControllersConfiguration. */
export type KubeControllersConfiguration = Resource<KubeControllersConfigurationSpec>;

const status = z.object({
  runningConfig: spec
    .optional()
    .describe(
      "What is in force: the spec as the controllers' environment overrides it, with only the controllers that run, and " +
        "with what is without effect said to be off.",
    ),
  environmentVars: z
    .record(z.string(), z.string())
    .optional()
    .describe("The environment variables of the controllers that went into runningConfig."),
  conditions: conditions.describe(
    "InForce: whether everything that spec asks for is in force, and if not, what is not. IPAMGarbageCollectionHeld: " +
      "whether so many addresses look leaked at once that a person must approve their release.",
  ),
  heldRelease: heldRelease
    .optional()
    .describe("The addresses that are kept until a person approves their release: margay ipam approve."),
  freedLately: freedLately
    .optional()
    .describe(
      "How many addresses garbage collection has freed of its own accord, so that the next leader does not begin at 0.",
    ),
});

/** What the KubeControllersConfiguration kind is: its schema and names. */
export const kubeControllersConfiguration: CustomKind<typeof spec> = {
  kind: "KubeControllersConfiguration",
  plural: "kubecontrollersconfigurations",
  singular: "kubecontrollersconfiguration",
  shortNames: ["kcc", "kccs"],
  aliases: ["kubecontrollersconfig", "kubecontrollersconfigs"],
  description:
    "Settings of the cluster-wide controllers. There is one, called default, which the controllers create; another name " +
    "has no effect. Environment variables of the controllers override it: see status.",
  spec,
  status,
  columns: [
    {
      name: "LeakGracePeriod",
      path: ".spec.controllers.node.leakGracePeriod",
      type: "string",
      description: "How long an address must look leaked",
    },
    {
      name: "LogSeverity",
      path: ".spec.logSeverityScreen",
      type: "string",
      description: "The least severe messages",
      wide: true,
    },
  ],
  example: { controllers: { node: { leakGracePeriod: "15m" } } },
};

/** Throws InvalidObjectError. */
export function parseKubeControllersConfiguration(json: unknown): KubeControllersConfiguration {
  return parseObject(kubeControllersConfiguration, json);
}
