import {
  approvalAnnotation,
  type FreedCount,
  type HeldRelease,
  heldCondition,
  maxListedAddresses,
  parseHeld,
} from "../../api/held-release.ts";
import { apiVersionOf, kubeControllersConfigurationKind as kind, resourcePath } from "../../api/kinds.ts";
import type { KubeClient } from "../../kube/client.ts";
import { readIfThere } from "../../kube/read-if-there.ts";
import type { Ruling } from "./interlock.ts";

/** What KubeControllersConfiguration `default` says of held and of freed addresses, at one revision. */
export interface HeldState {
  readonly release: HeldRelease | undefined;
  readonly approved: string | undefined;
  readonly freed: readonly FreedCount[];
  readonly resourceVersion: string;
}

/** Keeps what is held, and how many were freed, where people and the next leader find it. Each call rejects as the client does. */
export class HeldStore {
  readonly #client: KubeClient;

  constructor(client: KubeClient) {
    this.#client = client;
  }

  /** Past the watch cache. Undefined when there is no such object. */
  async read(signal: AbortSignal): Promise<HeldState | undefined> {
    const json = await readIfThere<ObjectJson>(this.#client, path, { signal });
    return json === undefined ? undefined : { ...parseHeld(json), resourceVersion: json.metadata.resourceVersion };
  }

  /** Says that this is held, or that nothing is, and how many were freed. What was said before is no longer. */
  async write({ release, freed }: Pick<HeldState, "release" | "freed">, signal: AbortSignal): Promise<void> {
    const status = {
      ...(release && { conditions: [conditionOf(release)], heldRelease: release }),
      ...(freed.length > 0 && { freedLately: freed }),
    };
    await this.#applyStatus(status, signal);
  }

  /** Takes this approval away, and no other that has come since. */
  async clearApproval(approved: string | undefined, signal: AbortSignal): Promise<void> {
    const now = await this.read(signal);
    if (now === undefined || now.approved !== approved) return;
    const { resourceVersion } = now;
    const metadata = { resourceVersion, annotations: { [approvalAnnotation]: null } };
    await this.#client.patch(path, { metadata }, { type: "merge", signal });
  }

  /** Server-side apply: what was applied before and is not in `status` goes; what others have set stays. */
  async #applyStatus(status: object, signal: AbortSignal): Promise<void> {
    const body = { apiVersion: apiVersionOf(kind), kind: kind.kind, metadata: { name: objectName }, status };
    const query = { fieldManager: "margay-ipam-gc", force: true };
    await this.#client.patch(`${path}/status`, body, { type: "apply", query, signal });
  }
}

/** How it is written down that these are held; `at` is RFC 3339. */
export function releaseOf({ id, addresses }: NonNullable<Ruling["held"]>, at: string): HeldRelease {
  return { id, count: addresses.length, since: at, addresses: addresses.slice(0, maxListedAddresses) };
}

/** A sentence or two for the condition and the event. */
export function heldMessage({ id, count, addresses }: Pick<HeldRelease, "id" | "count" | "addresses">): string {
  const sample = addresses.slice(0, 3).map(({ ip, pod, node, reason }) => {
    const whose = [pod === undefined ? undefined : `pod ${pod}`, node === undefined ? undefined : `node ${node}`];
    return `${ip} (${[...whose.filter(Boolean), reason].join(", ")})`;
  });
  const more = count > sample.length ? " …" : "";
  return (
    `${count} addresses look leaked at once; none is freed until this is approved. See whether they are: ` +
    `${sample.join("; ")}${more}. To free them: margay ipam approve --id ${id}`
  );
}

// --- internal ---

interface ObjectJson {
  readonly metadata: { readonly resourceVersion: string };
}

function conditionOf(release: HeldRelease): object {
  return {
    type: heldCondition,
    status: "True",
    reason: "TooManyAddresses",
    message: heldMessage(release),
    lastTransitionTime: release.since,
  };
}

const objectName = "default";
const path = resourcePath(kind, { name: objectName });
