import { apiVersionOf, resourcePath } from "../../api/kinds.ts";
import { KubeError } from "../../kube/client.ts";
import { feeds } from "../../kube/fed-kinds.ts";
import { inParallel } from "../../net/in-parallel.ts";
import type { Controller, ControllerParts } from "../controller.ts";
import {
  autoHostEndpoints,
  createdByLabel,
  type HostEndpointSettings,
  type WantedHostEndpoint,
} from "./auto-host-endpoints.ts";

/** What the controller works with, beside what every controller does. */
export interface HostEndpointControllerOptions extends ControllerParts {
  /** `off`: none are made, and those that were are taken away. `unknown`: nobody can say, and all stays as it is. */
  readonly settings: () => Partial<HostEndpointSettings> | "off" | "unknown";
}

/** Makes host endpoints for the nodes, and takes away those it made that are wanted no more. It touches no other. */
export class HostEndpointController implements Controller {
  readonly name = "host-endpoint";
  readonly watches = ["node", "hostEndpoint", "kubeControllersConfiguration"] as const;
  readonly #options: HostEndpointControllerOptions;

  constructor(options: HostEndpointControllerOptions) {
    this.#options = options;
  }

  dueInMs(): number {
    return resyncMs;
  }

  async pass(signal: AbortSignal): Promise<void> {
    const { snapshot, settings, logger } = this.#options;
    const asked = settings();
    if (asked === "unknown") return;
    const wanted =
      asked === "off" ? new Map<string, WantedHostEndpoint>() : autoHostEndpoints(snapshot.node.values(), asked);
    const there = [...snapshot.hostEndpoint.values()];
    const stale = there.filter(
      ({ metadata: { name, labels } }) => labels[createdByLabel.name] === createdByLabel.value && !wanted.has(name),
    );
    await inParallel(stale, maxParallel, async ({ metadata: { name, uid } }) => {
      signal.throwIfAborted();
      await this.#remove(name, uid, signal);
      logger.info({ hostEndpoint: name }, "removed a host endpoint that no node wants any more");
    });
    const written = new Map(there.map((one) => [one.metadata.name, one]));
    const changed = [...wanted.values()].filter((one) => !stands(one, written.get(one.name)));
    await inParallel(changed, maxParallel, async (one) => {
      signal.throwIfAborted();
      const labels = written.get(one.name)?.metadata.labels;
      if (labels !== undefined && labels[createdByLabel.name] !== createdByLabel.value) {
        logger.warn(
          { hostEndpoint: one.name },
          "somebody else has made a host endpoint of this name: it stays as it is",
        );
        return;
      }
      await this.#write(one, signal);
      logger.info({ hostEndpoint: one.name, node: one.spec.node }, "wrote a node's host endpoint");
    });
  }

  /** By server-side apply: labels that the node has no more go. */
  async #write({ name, labels, annotations, spec }: WantedHostEndpoint, signal: AbortSignal): Promise<void> {
    const body = { apiVersion: apiVersionOf(kind), kind: kind.kind, metadata: { name, labels, annotations }, spec };
    const query = { fieldManager: "margay-host-endpoint", force: true };
    await this.#options.client.patch(resourcePath(kind, { name }), body, { type: "apply", query, signal });
  }

  async #remove(name: string, uid: string | undefined, signal: AbortSignal): Promise<void> {
    try {
      const body = uid === undefined ? {} : { preconditions: { uid } };
      await this.#options.client.request("DELETE", resourcePath(kind, { name }), { body, signal });
    } catch (error) {
      if (!(error instanceof KubeError && error.status === 404)) throw error;
    }
  }
}

// --- internal ---

const kind = feeds.hostEndpoint.resource;
const resyncMs = 300_000;
const maxParallel = 8;

interface Written {
  readonly metadata: {
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
  };
  readonly spec: {
    readonly node: string;
    readonly interfaceName: string;
    readonly expectedIPs: readonly string[];
    readonly profiles: readonly string[];
  };
}

function stands({ labels, annotations, spec }: WantedHostEndpoint, written: Written | undefined): boolean {
  if (written === undefined) return false;
  const { node, interfaceName, expectedIPs, profiles } = written.spec;
  return (
    sameMap(labels, written.metadata.labels) &&
    Object.entries(annotations).every(([key, value]) => written.metadata.annotations[key] === value) &&
    node === spec.node &&
    interfaceName === (spec.interfaceName ?? "") &&
    expectedIPs.join() === spec.expectedIPs.join() &&
    profiles.join() === spec.profiles.join()
  );
}

function sameMap(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}
