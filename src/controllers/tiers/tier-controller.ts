import { builtInTiers } from "../../api/built-in-tiers.ts";
import { type Condition, conditionsOf, conditionsStand, type Finding, timedConditions } from "../../api/condition.ts";
import { apiVersionOf, resourcePath } from "../../api/kinds.ts";
import { tierLabel } from "../../api/label-names.ts";
import { KubeError } from "../../kube/client.ts";
import { feeds } from "../../kube/fed-kinds.ts";
import { listAll, listPages } from "../../kube/list-all.ts";
import { inParallel } from "../../net/in-parallel.ts";
import type { Controller, ControllerParts } from "../controller.ts";
import { tieredPolicyKinds, unlabelledPolicies } from "./tier-labels.ts";

/**
 * Sees to the tiers: the built-in ones are there, a deleted one stays until no policy is in it, and each says in its condition
 * Ready how it stands. Policies are given the label that names their tier, which nothing relies on.
 */
export class TierController implements Controller {
  readonly name = "tier";
  readonly watches = ["tier", ...tieredPolicyKinds] as const;
  readonly #parts: ControllerParts;
  #dueInMs = resyncMs;

  constructor(parts: ControllerParts) {
    this.#parts = parts;
  }

  dueInMs(): number {
    return this.#dueInMs;
  }

  /** What goes wrong with one object stops no other; the first such error is thrown at the end. */
  async pass(signal: AbortSignal): Promise<void> {
    const { client } = this.#parts;
    this.#dueInMs = resyncMs;
    const tiers = await listAll<TierObject>(client, resourcePath(tierKind), { signal });
    const errors: unknown[] = [];
    const attempt = async (work: () => Promise<void>) => {
      signal.throwIfAborted();
      try {
        await work();
      } catch (error) {
        if (isRace(error)) this.#dueInMs = retryMs;
        else errors.push(error);
      }
    };
    for (const [name, spec] of builtInTiers) {
      if (!tiers.some(({ metadata }) => metadata.name === name)) await attempt(() => this.#make(name, spec, signal));
    }
    for (const tier of tiers) await attempt(() => this.#care(tier, signal));
    await inParallel(unlabelledPolicies(this.#parts.snapshot), maxParallel, ({ kind, namespace, name, tier }) =>
      attempt(async () => {
        const body = { metadata: { labels: { [tierLabel]: tier } } };
        const path = resourcePath(feeds[kind].resource, { namespace, name });
        await client.patch(path, body, { type: "merge", signal });
      }),
    );
    if (errors.length > 0) throw errors[0];
  }

  async #make(name: string, spec: object, signal: AbortSignal): Promise<void> {
    const body = { apiVersion: apiVersionOf(tierKind), kind: tierKind.kind, metadata: { name }, spec };
    await this.#parts.client.request("POST", resourcePath(tierKind), { body, signal });
    this.#parts.logger.info({ tier: name }, "made a built-in tier");
  }

  async #care(tier: TierObject, signal: AbortSignal): Promise<void> {
    const { deletionTimestamp, finalizers = [] } = tier.metadata;
    if (deletionTimestamp === undefined) {
      if (!finalizers.includes(finalizer)) await this.#setFinalizers(tier, [...finalizers, finalizer], signal);
      await this.#report(tier, ready, signal);
      return;
    }
    if (!finalizers.includes(finalizer)) return;
    const held = await this.#somePolicyOf(tier.metadata.name, signal);
    if (held !== undefined) {
      this.#dueInMs = drainMs;
      const message = `The tier is deleted and goes once no policy is in it; ${held} is: delete it, or move it to another tier`;
      await this.#report(tier, { ...ready, status: "False", reason: "Terminating", message }, signal);
      return;
    }
    const others = finalizers.filter((one) => one !== finalizer);
    await this.#setFinalizers(tier, others, signal);
    this.#parts.logger.info({ tier: tier.metadata.name }, "no policy is in a deleted tier any more: it goes");
  }

  /** Asks the API server itself: the watch cache may not have heard of a policy that was made just now. */
  async #somePolicyOf(tier: string, signal: AbortSignal): Promise<string | undefined> {
    const query = { fieldSelector: `spec.tier=${tier}` };
    for (const kind of tieredPolicyKinds) {
      const { resource } = feeds[kind];
      const pages = listPages<PolicyObject>(this.#parts.client, resourcePath(resource), { query, pageSize: 1, signal });
      for await (const { items } of pages) {
        const [first] = items;
        if (first === undefined) break;
        const { namespace, name } = first.metadata;
        return `${resource.kind} ${namespace === undefined ? name : `${namespace}/${name}`}`;
      }
    }
    return undefined;
  }

  async #setFinalizers(tier: TierObject, finalizers: readonly string[], signal: AbortSignal): Promise<void> {
    const { name, uid, resourceVersion } = tier.metadata;
    const body = { metadata: { uid, resourceVersion, finalizers } };
    await this.#parts.client.patch(resourcePath(tierKind, { name }), body, { type: "merge", signal });
  }

  async #report(tier: TierObject, finding: Finding, signal: AbortSignal): Promise<void> {
    const { client, clock, events } = this.#parts;
    const { name, uid, generation } = tier.metadata;
    const standing = conditionsOf(tier);
    const now = new Date(clock.now()).toISOString();
    const wanted: readonly Condition[] = timedConditions([finding], standing, { now, generation });
    if (conditionsStand(wanted, standing, [finding.type])) return;
    const body = { apiVersion: apiVersionOf(tierKind), kind: tierKind.kind, metadata: { name, uid } };
    const path = `${resourcePath(tierKind, { name })}/status`;
    const query = { fieldManager: "margay-tier", force: true };
    await client.patch(path, { ...body, status: { conditions: wanted } }, { type: "apply", query, signal });
    if (finding.status === "False") {
      events.record({ kind: tierKind, name, ...(uid && { uid }) }, "Warning", finding.reason, finding.message);
    }
  }
}

// --- internal ---

interface TierObject {
  readonly metadata: {
    readonly name: string;
    readonly uid?: string;
    readonly resourceVersion?: string;
    readonly generation?: number;
    readonly finalizers?: readonly string[];
    readonly deletionTimestamp?: string;
  };
}

interface PolicyObject {
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

const tierKind = feeds.tier.resource;

/** Upstream's, so that either product finishes what the other began. */
const finalizer = "projectcalico.org/tier-controller";

const ready: Finding = { type: "Ready", status: "True", reason: "TierReady", message: "The tier is in force." };

const resyncMs = 300_000;
const drainMs = 5000;
const retryMs = 200;
const maxParallel = 8;

/** Somebody made, changed or removed the object since it was read. */
function isRace(error: unknown): boolean {
  return error instanceof KubeError && (error.status === 409 || error.status === 404);
}
