import { namespacedName } from "../api/names.ts";
import { type Attachment, attachmentKey } from "../api/objects.ts";
import { messageOf } from "../net/message-of.ts";
import { CniError, cniCode } from "./cni-error.ts";
import type { CniDependencies } from "./dependencies.ts";
import type { NetConf } from "./net-conf.ts";
import { quote } from "./quote.ts";
import type { PodReference } from "./request.ts";
import { within } from "./within.ts";

/** Which ADD waits, and for whose policy. */
export interface PolicyWaitParts {
  readonly conf: Pick<NetConf, "policy_setup_timeout_seconds">;
  readonly pod: Pick<PodReference, "namespace" | "name">;
  readonly node: Pick<CniDependencies, "publish" | "namespaceOf" | "attachments" | "clock" | "report">;
  /** Aborts when the ADD is given up. */
  readonly signal: AbortSignal;
}

/**
 * Of a namespace: what becomes of an ADD when its pod's policy is not in the kernel in time. `Fail`, as without it: the ADD
 * fails. `Continue`: it succeeds, and the pod is cut off until its policy is there.
 */
const policySetupTimeoutAnnotation = "cni.margay.io/policy-setup-timeout";

/**
 * How one ADD hands its attachment to Felix and waits for the kernel to hold it: all in all for
 * `policy_setup_timeout_seconds`. Where that says nothing, as long as an ADD may take, or a minute in a namespace that says
 * `Continue`.
 */
export class PolicyWait {
  readonly #parts: PolicyWaitParts;
  readonly #choice: Choice;
  readonly #limitMs: number | undefined;
  #waitedMs = 0;
  #newest: Promise<void> | undefined;

  constructor(parts: PolicyWaitParts) {
    this.#parts = parts;
    this.#choice = choiceOf(parts);
    const seconds = parts.conf.policy_setup_timeout_seconds || undefined;
    const limits = [seconds === undefined ? [] : seconds * 1000, this.#choice.continues ? longestMs : []].flat();
    this.#limitMs = limits.length === 0 ? undefined : Math.min(...limits);
  }

  /** For how many milliseconds the ADD has waited. */
  get waitedMs(): number {
    return this.#waitedMs;
  }

  /**
   * As `CniDependencies.publish`, in what is left of the time. When that is over it rejects with a `CniError` (11), for its
   * caller to undo everything; with `Continue` it resolves, the rest goes on by itself, and its end is reported. Until then
   * the pod's interface is one of ours without a plan: everything from it and to it is dropped.
   */
  async publish(attachment: Attachment): Promise<void> {
    const { node, signal } = this.#parts;
    const startedAt = node.clock.monotonicNow();
    // The caller hangs up once it has its answer, and what is under way must go on then.
    const ended = new AbortController();
    const end = () => ended.abort(signal.reason);
    signal.addEventListener("abort", end, { once: true });
    if (signal.aborted) end();
    const published = node.publish(attachment, ended.signal);
    this.#newest = published;
    try {
      const left = this.#limitMs === undefined ? undefined : Math.max(0, this.#limitMs - this.#waitedMs);
      const outcome = left === undefined ? await published : await within(published, left, node.clock);
      if (outcome !== "late") return;
      if (!this.#choice.continues) throw this.#tooLate();
      void this.#reportEnd(attachment, published);
    } finally {
      signal.removeEventListener("abort", end);
      this.#waitedMs += node.clock.monotonicNow() - startedAt;
    }
  }

  #tooLate(): CniError {
    const { pod } = this.#parts;
    const limit = `${(this.#limitMs ?? 0) / 1000} s (policy_setup_timeout_seconds of the network configuration)`;
    const sentence = `Cannot add pod ${pod.namespace}/${pod.name}: the kernel does not hold its policy after ${limit}`;
    const { mistake } = this.#choice;
    return new CniError(cniCode.tryAgainLater, sentence, mistake === undefined ? {} : { details: mistake });
  }

  async #reportEnd(attachment: Attachment, published: Promise<void>): Promise<void> {
    const { node, pod } = this.#parts;
    const name = namespacedName(pod.namespace, pod.name);
    const startedAt = node.clock.monotonicNow();
    try {
      await published;
      // It may have been published anew since, or taken away.
      if (this.#newest !== published) return;
      if ((await node.attachments.get(attachmentKey(attachment))) === undefined) return;
      const ms = Math.round(node.clock.monotonicNow() - startedAt);
      node.report("info", `The kernel holds the policy of pod ${name}, which was cut off since its ADD`, { ms });
    } catch (error) {
      node.report("warn", `Cannot wait for the policy of pod ${name}, which is cut off: ${messageOf(error)}`, {
        error,
      });
    }
  }
}

// --- internal ---

/** Short of the time that an ADD may take, of which this is the end only. */
const longestMs = 60_000;

interface Choice {
  readonly continues: boolean;
  /** Why what the namespace says does not count, as a sentence. */
  readonly mistake?: string;
}

function choiceOf({ node, pod }: PolicyWaitParts): Choice {
  const value = node.namespaceOf(pod.namespace)?.annotations[policySetupTimeoutAnnotation];
  if (value === "Continue") return { continues: true };
  if (value === undefined || value === "Fail") return { continues: false };
  const mistake = `Annotation ${policySetupTimeoutAnnotation} of namespace ${pod.namespace} is ${quote(value)}, neither Continue nor Fail: it counts as Fail`;
  node.report("warn", mistake);
  return { continues: false, mistake };
}
