import { isDeepStrictEqual } from "node:util";
import { type Condition, conditionsOf, conditionsStand, type Finding, timedConditions } from "../../api/condition.ts";
import { InvalidObjectError } from "../../api/invalid-object-error.ts";
import { apiVersionOf, kubeControllersConfigurationKind as kind, resourcePath } from "../../api/kinds.ts";
import {
  type KubeControllersConfiguration,
  parseKubeControllersConfiguration,
} from "../../api/kube-controllers-configuration.ts";
import { KubeError } from "../../kube/client.ts";
import { readIfThere } from "../../kube/read-if-there.ts";
import type { Controller, ControllerParts } from "../controller.ts";
import type { ControllerEnvironment } from "./environment.ts";
import { configurationName, defaultSpec, runningConfig, withoutEffect } from "./running-config.ts";

/** What the controller works with, beside what every controller does. */
export interface ConfigurationControllerOptions extends ControllerParts {
  readonly environment: ControllerEnvironment;
}

/**
 * Makes KubeControllersConfiguration `default` when there is none, as upstream does, and says in its status what is in
 * force of it.
 */
export class ConfigurationController implements Controller {
  readonly name = "configuration";
  readonly watches = ["kubeControllersConfiguration"] as const;
  readonly #options: ConfigurationControllerOptions;

  constructor(options: ConfigurationControllerOptions) {
    this.#options = options;
  }

  dueInMs(): number {
    return resyncMs;
  }

  async pass(signal: AbortSignal): Promise<void> {
    const { client, clock, events, logger } = this.#options;
    const json = (await readIfThere<unknown>(client, path, { signal })) ?? (await this.#create(signal));
    const standing = conditionsOf(json);
    const { generation, findings, ...status } = this.#statusOf(json);
    const conditions = timedConditions(findings, standing, { now: new Date(clock.now()).toISOString(), generation });
    if (isSaid(json, status) && conditionsStand(conditions, standing, [conditionType])) return;
    await this.#apply({ ...status, conditions }, signal);
    logger.info(status, "the configuration in force");
    for (const { reason, message } of newFaults(conditions, standing)) {
      events.record({ kind, name: configurationName }, "Warning", reason, message);
    }
  }

  async #create(signal: AbortSignal): Promise<unknown> {
    const { client, logger } = this.#options;
    const body = {
      apiVersion: apiVersionOf(kind),
      kind: kind.kind,
      metadata: { name: configurationName },
      spec: defaultSpec,
    };
    try {
      const made = await client.request("POST", resourcePath(kind), { body, signal });
      logger.info("made KubeControllersConfiguration default, as there was none");
      return made;
    } catch (error) {
      if (error instanceof KubeError && error.status === 409) return client.request("GET", path, { signal });
      throw error;
    }
  }

  #statusOf(json: unknown) {
    const { environment } = this.#options;
    const object = readConfiguration(json);
    if (typeof object === "string") {
      const finding: Finding = { type: conditionType, status: "False", reason: "NotReadable", message: object };
      return { environmentVars: environment.variables, generation: undefined, findings: [finding] };
    }
    const running = runningConfig(object.spec, environment);
    // As upstream: the reason why no labels are copied.
    const datastore = running.controllers.node === undefined ? {} : { DATASTORE_TYPE: "kubernetes" };
    return {
      runningConfig: running,
      environmentVars: { ...environment.variables, ...datastore },
      generation: object.metadata.generation,
      findings: [inForce(withoutEffect(object, environment))],
    };
  }

  /** Server-side apply: what others have set in the status stays. */
  async #apply(status: object, signal: AbortSignal): Promise<void> {
    const body = { apiVersion: apiVersionOf(kind), kind: kind.kind, metadata: { name: configurationName }, status };
    const query = { fieldManager: "margay-configuration", force: true };
    await this.#options.client.patch(`${path}/status`, body, { type: "apply", query, signal });
  }
}

// --- internal ---

const conditionType = "InForce";
const resyncMs = 300_000;
const path = resourcePath(kind, { name: configurationName });

/** The object, or a sentence why it cannot be read. */
function readConfiguration(json: unknown): KubeControllersConfiguration | string {
  try {
    return parseKubeControllersConfiguration(json);
  } catch (error) {
    if (!(error instanceof InvalidObjectError)) throw error;
    return `${error.message}. Until that is corrected no address is taken back.`;
  }
}

function inForce(missing: readonly string[]): Finding {
  if (missing.length === 0)
    return { type: conditionType, status: "True", reason: "OK", message: "All of it is in force." };
  const message = `Without effect: ${missing.join(", ")}.`;
  return { type: conditionType, status: "False", reason: "NotImplemented", message };
}

function newFaults(conditions: readonly Condition[], standing: readonly Condition[]): readonly Condition[] {
  const before = standing.find(({ type }) => type === conditionType);
  return conditions.filter(({ status, reason }) => status === "False" && reason !== before?.reason);
}

/** Whether the object's status says all of `status` already; an empty part is as good as none. */
function isSaid(json: unknown, status: Readonly<Record<string, unknown>>): boolean {
  const said = (json as { readonly status?: Readonly<Record<string, unknown>> }).status;
  return ["runningConfig", "environmentVars"].every((name) =>
    isDeepStrictEqual(plainJson(said?.[name]), plainJson(status[name])),
  );
}

/** As it looks once it has been written and read. */
function plainJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value ?? {}));
}
