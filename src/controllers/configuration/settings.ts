import { parseDuration } from "../../api/duration.ts";
import type { KubeControllersConfigurationSpec } from "../../api/kube-controllers-configuration.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import type { HostEndpointSettings } from "../host-endpoints/auto-host-endpoints.ts";
import type { ControllerEnvironment } from "./environment.ts";
import { configurationName, defaultSpec, runningConfig } from "./running-config.ts";

/** What the controllers go by. */
export interface ControllerSettings {
  /**
   * For how many milliseconds an address must look leaked before it is given back. Undefined: none ever is. That is so
   * too while no configuration is known, as it may be the one that says so.
   */
  readonly leakGraceMs: number | undefined;
  /** At most so many milliseconds from one comparison of everything to the next. */
  readonly reconcilerMs: number;
  /** Where metrics and health are served; 0: nowhere. */
  readonly metricsPort: number;
  /** Host endpoints for every node. `unknown` while no configuration is known. */
  readonly hostEndpoints: Partial<HostEndpointSettings> | "off" | "unknown";
  readonly healthChecks: boolean;
  /** pino's. */
  readonly logLevel: "silent" | "debug" | "info" | "warn" | "error";
}

/** What KubeControllersConfiguration `default` and the environment say together. */
export function controllerSettings(
  { kubeControllersConfiguration }: Pick<Snapshot, "kubeControllersConfiguration">,
  environment: ControllerEnvironment,
): ControllerSettings {
  const spec = kubeControllersConfiguration.get(configurationName)?.spec;
  const running = runningConfig(spec ?? defaultSpec, environment);
  const node = spec === undefined ? undefined : running.controllers.node;
  const severity = environment.logSeverity ?? spec?.logSeverityScreen ?? "Info";
  return {
    leakGraceMs: parseDuration(node?.leakGracePeriod ?? "0") || undefined,
    reconcilerMs: parseDuration(node?.reconcilerPeriod ?? "5m"),
    metricsPort: running.prometheusMetricsPort,
    hostEndpoints: hostEndpointsOf(spec, running),
    healthChecks: running.healthChecks === "Enabled",
    logLevel: logLevels[severity],
  };
}

// --- internal ---

function hostEndpointsOf(
  spec: KubeControllersConfigurationSpec | undefined,
  { controllers }: KubeControllersConfigurationSpec,
): ControllerSettings["hostEndpoints"] {
  if (spec === undefined) return "unknown";
  const { autoCreate = "Disabled", ...settings } = controllers.node?.hostEndpoint ?? {};
  return autoCreate === "Enabled" ? settings : "off";
}

const logLevels = {
  None: "silent",
  Debug: "debug",
  Info: "info",
  Warning: "warn",
  Error: "error",
  Fatal: "error",
  Panic: "error",
} as const;
