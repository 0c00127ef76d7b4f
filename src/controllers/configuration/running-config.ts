import { formatDuration, parseDuration } from "../../api/duration.ts";
import type {
  KubeControllersConfiguration,
  KubeControllersConfigurationSpec,
} from "../../api/kube-controllers-configuration.ts";
import type { ControllerEnvironment } from "./environment.ts";

type Spec = KubeControllersConfigurationSpec;

/** The one object that counts. */
export const configurationName = "default";

/** What upstream begins with, of what has a meaning here. */
export const defaultSpec: Spec = {
  logSeverityScreen: "Info",
  healthChecks: "Enabled",
  etcdV3CompactionPeriod: "10m",
  prometheusMetricsPort: 9094,
  controllers: { node: { reconcilerPeriod: "5m", syncLabels: "Enabled", leakGracePeriod: "15m" } },
};

/**
 * What is in force of `spec` under `environment`. Nothing is left out that the API server would fill in with a default,
 * as a default would be a claim.
 */
export function runningConfig(spec: Spec, environment: ControllerEnvironment): Spec {
  const { enabled, reconcilerMs, logSeverity } = environment;
  const { node } = spec.controllers;
  const health = environment.healthChecks ?? spec.healthChecks === "Enabled";
  const runs = enabled === undefined ? node !== undefined : enabled.has("node");
  const period = reconcilerMs ?? parseDuration(node?.reconcilerPeriod ?? defaultPeriod);
  return {
    logSeverityScreen: logSeverity ?? spec.logSeverityScreen,
    // Health is told where metrics are.
    healthChecks: health && spec.prometheusMetricsPort !== 0 ? "Enabled" : "Disabled",
    etcdV3CompactionPeriod: "0s",
    prometheusMetricsPort: spec.prometheusMetricsPort,
    controllers: runs
      ? {
          node: {
            reconcilerPeriod: formatDuration(Math.max(period, leastPeriodMs)),
            syncLabels: "Disabled",
            // As upstream: switched on by the environment alone, it has no grace period, and so takes nothing back.
            leakGracePeriod: formatDuration(parseDuration(node?.leakGracePeriod ?? "0")),
            hostEndpoint: hostEndpointOf(spec, environment),
          },
        }
      : {},
  };
}

/** Phrases for what is asked for, beyond the defaults, and without effect. */
export function withoutEffect({ spec }: KubeControllersConfiguration, env: ControllerEnvironment): readonly string[] {
  const { loadBalancer } = spec.controllers;
  const { autoCreate, templates = [] } = hostEndpointOf(spec, env);
  const patterns = autoCreate === "Enabled" && templates.some(({ interfacePattern }) => interfacePattern);
  const serves = env.enabled?.has("loadBalancer") ?? loadBalancer !== undefined;
  return [
    ...(patterns ? ["controllers.node.hostEndpoint.templates.interfacePattern (no interface is found by it)"] : []),
    ...(serves ? ["controllers.loadBalancer (Services get no addresses)"] : []),
    ...(spec.debugProfilePort ? ["debugProfilePort (no profiles are served)"] : []),
  ];
}

// --- internal ---

const defaultPeriod = "5m";
const leastPeriodMs = 1000;

type HostEndpoint = NonNullable<NonNullable<Spec["controllers"]["node"]>["hostEndpoint"]>;

/** As upstream begins with, where nothing is said. */
function hostEndpointOf({ controllers }: Spec, { autoHostEndpoints }: ControllerEnvironment): HostEndpoint {
  const given = controllers.node?.hostEndpoint;
  const { autoCreate = "Disabled", createDefaultHostEndpoint = "Enabled", templates } = given ?? {};
  const overridden = { undefined: autoCreate, true: "Enabled", false: "Disabled" } as const;
  return {
    autoCreate: overridden[`${autoHostEndpoints}`],
    createDefaultHostEndpoint,
    ...(templates && { templates }),
  };
}
