import { namespacedName } from "../api/names.ts";
import { CniError, cniCode, cniErrorOf } from "./cni-error.ts";
import { KeyedLock } from "./keyed-lock.ts";
import type { NodeState } from "./node-state.ts";
import type { Target } from "./request.ts";

/** When a request may go on: in turn with those of the same container or pod, and only on a node that is ready. */
export class Gate {
  readonly #state: NodeState;
  readonly #containers = new KeyedLock();
  readonly #pods = new KeyedLock();

  constructor(state: NodeState) {
    this.#state = state;
  }

  /** Runs `action` while no other request of its container or pod is under way. */
  alone<T>({ containerId, pod }: Target, action: () => Promise<T>): Promise<T> {
    // Always the container's lock first, so that two requests cannot wait for each other.
    return this.aloneInContainer(containerId, () =>
      pod === undefined ? action() : this.#pods.run(namespacedName(pod.namespace, pod.name), action),
    );
  }

  /** The same for one container, whichever pod's, and any other whose handle could be the same. */
  aloneInContainer<T>(containerId: string, action: () => Promise<T>): Promise<T> {
    // Network `a` and container `b.c` make the handle of network `a.b` and container `c`: the end they always share.
    return this.#containers.run(containerId.slice(containerId.lastIndexOf(".") + 1), action);
  }

  /**
   * Runs an ADD once the node is ready. Rejects with a `CniError` (11) when it is not in time, or the ADD takes too long;
   * `hangUp` aborts when the caller has gone.
   */
  async add<T>(whom: string, hangUp: AbortSignal, action: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const signal = AbortSignal.any([hangUp, AbortSignal.timeout(addLimitMs)]);
    try {
      await this.#waitUntilReady(signal);
      return await action(signal);
    } catch (cause) {
      if (!signal.aborted || hangUp.aborted) throw cause;
      const { message } = cniErrorOf(cause);
      const sentence = `Cannot wire ${whom} within ${addLimitMs / 1000} s`;
      throw new CniError(cniCode.tryAgainLater, sentence, { details: message, cause });
    }
  }

  /** Throws a `CniError` (50) when the node cannot serve ADD at this moment. */
  requireReady(): void {
    const why = this.#state.node.unready();
    if (why !== undefined) throw this.#notReady(cniCode.unavailable, why);
  }

  async #waitUntilReady(signal: AbortSignal): Promise<void> {
    const { node, timing } = this.#state;
    for (let waited = 0; ; waited += readyPollMs) {
      const why = node.unready();
      if (why === undefined) return;
      if (waited >= timing.readyWaitMs) throw this.#notReady(cniCode.tryAgainLater, why);
      await node.clock.sleep(readyPollMs, signal);
    }
  }

  #notReady(code: number, why: string): CniError {
    return new CniError(code, `Cannot add pods on ${this.#state.node.nodeName}: ${why}`);
  }
}

// --- internal ---

/** Shorter than the time after which kubelet and the runtimes give a sandbox up (2 and 4 minutes). */
const addLimitMs = 90_000;
const readyPollMs = 50;
