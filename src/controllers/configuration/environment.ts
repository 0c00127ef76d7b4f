import { parseDuration } from "../../api/duration.ts";
import type { KubeControllersConfigurationSpec } from "../../api/kube-controllers-configuration.ts";
import { messageOf } from "../../net/message-of.ts";

/** A controller as KubeControllersConfiguration calls it. */
type ControllerName = keyof KubeControllersConfigurationSpec["controllers"];

/** What the environment of `margay controllers` overrides, under upstream's names. */
export interface ControllerEnvironment {
  /** Each variable that is set, as it is set. */
  readonly variables: Readonly<Record<string, string>>;
  /** LOG_LEVEL. */
  readonly logSeverity?: KubeControllersConfigurationSpec["logSeverityScreen"];
  /** ENABLED_CONTROLLERS: only these run. */
  readonly enabled?: ReadonlySet<ControllerName>;
  /** RECONCILER_PERIOD, in milliseconds. */
  readonly reconcilerMs?: number;
  /** HEALTH_ENABLED. */
  readonly healthChecks?: boolean;
  /** AUTO_HOST_ENDPOINTS. */
  readonly autoHostEndpoints?: boolean;
}

/** Throws a sentence that names the variable whose value cannot be used: a process must not start with half its settings. */
export function readEnvironment(env: Readonly<Record<string, string | undefined>>): ControllerEnvironment {
  const variables = Object.fromEntries(
    Object.keys(readers).flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])),
  );
  return Object.assign({ variables }, ...Object.entries(variables).map(([name, value]) => read(name, value)));
}

// --- internal ---

type Overrides = Omit<ControllerEnvironment, "variables">;

/** A reader throws what the value must be. */
const readers: Readonly<Record<string, (value: string) => Overrides>> = {
  LOG_LEVEL: (value) => ({ logSeverity: oneOf(severities, value.toLowerCase()) }),
  ENABLED_CONTROLLERS: (value) => ({
    enabled: new Set(value.split(",").map((name) => oneOf(controllerNames, name.trim()))),
  }),
  RECONCILER_PERIOD: (value) => ({ reconcilerMs: parseDuration(value) }),
  AUTO_HOST_ENDPOINTS: (value) => ({
    autoHostEndpoints: oneOf(new Map([["enabled", true] as const, ["disabled", false] as const]), value.toLowerCase()),
  }),
  HEALTH_ENABLED: (value) => ({ healthChecks: oneOf(booleans, value) }),
  // These have nothing to override here, but a mistake in them is a mistake.
  COMPACTION_PERIOD: checked(parseDuration),
  SYNC_NODE_LABELS: checked((value) => oneOf(booleans, value)),
  DATASTORE_TYPE: checked((value) => oneOf(new Map([["kubernetes", true]]), value)),
};

const severities: ReadonlyMap<string, KubeControllersConfigurationSpec["logSeverityScreen"]> = new Map([
  ["panic", "Panic"],
  ["fatal", "Fatal"],
  ["error", "Error"],
  ["warn", "Warning"],
  ["warning", "Warning"],
  ["info", "Info"],
  ["debug", "Debug"],
  ["trace", "Debug"],
]);

const controllerNames: ReadonlyMap<string, ControllerName> = new Map([
  ["node", "node"],
  ["policy", "policy"],
  ["workloadendpoint", "workloadEndpoint"],
  ["serviceaccount", "serviceAccount"],
  ["namespace", "namespace"],
  ["profile", "namespace"],
  ["loadbalancer", "loadBalancer"],
]);

/** As Go's strconv.ParseBool has them. */
const booleans: ReadonlyMap<string, boolean> = new Map(
  ["1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"].map((text, index) => [
    text,
    index < 6,
  ]),
);

function read(name: string, value: string): Overrides {
  try {
    return readers[name]?.(value) ?? {};
  } catch (cause) {
    throw new Error(`Cannot use the environment variable ${name}: ${messageOf(cause)}`, { cause });
  }
}

function checked(parse: (value: string) => unknown): (value: string) => Overrides {
  return (value) => {
    parse(value);
    return {};
  };
}

function oneOf<T>(values: ReadonlyMap<string, T>, text: string): T {
  const value = values.get(text);
  if (value !== undefined) return value;
  throw new Error(`${JSON.stringify(text)} is none of ${[...values.keys()].join(", ")}`);
}
