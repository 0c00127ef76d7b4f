import { type CniError, cniErrorOf, formatCniError } from "./cni-error.ts";
import type { CniDependencies } from "./dependencies.ts";
import { Gate } from "./gate.ts";
import { IpamPlugin } from "./ipam-plugin.ts";
import { ReleaseJournal } from "./journal.ts";
import { answerVersion } from "./net-conf.ts";
import { NetworkHolds } from "./network-holds.ts";
import type { NodeState } from "./node-state.ts";
import { type RawRequest, verbOf } from "./request.ts";
import type { Role } from "./role.ts";
import type { CniTiming } from "./timing.ts";
import { WholePlugin } from "./whole-plugin.ts";

/** What the executable prints and ends with. */
export interface Answer {
  readonly exitCode: number;
  readonly stdout: string;
}

/** The verbs of the specification over one node. Requests may overlap; those of one container or pod wait for one another. */
export class CniPlugin {
  readonly #state: NodeState;
  readonly #gate: Gate;
  readonly #whole: Role;
  readonly #ipam: Role;

  constructor(node: CniDependencies, timing: CniTiming) {
    this.#state = { node, journal: new ReleaseJournal(node), holds: new NetworkHolds(node), timing };
    this.#gate = new Gate(this.#state);
    this.#whole = new WholePlugin(this.#state, this.#gate);
    this.#ipam = new IpamPlugin(this.#state, this.#gate);
  }

  /** Never rejects: a failure is an answer too, and is reported. `signal` aborts when the caller has gone. */
  async answer(request: RawRequest, signal: AbortSignal): Promise<Answer> {
    try {
      return { exitCode: 0, stdout: await this.#perform(request, signal) };
    } catch (thrown) {
      const error = cniErrorOf(thrown);
      this.#state.node.report("warn", error.message, factsOf(request, error));
      return { exitCode: 1, stdout: formatCniError(error, answerVersion(request.stdin)) };
    }
  }

  /** Gives back addresses that an earlier DEL could not. What still fails is kept. */
  async drainJournal(): Promise<void> {
    await this.#state.journal.drain((containerId, action) => this.#gate.aloneInContainer(containerId, action));
  }

  /** Gives back what networks hold that have no container on this node any more, as `NetworkHolds.sweep`. */
  sweepHolds(): Promise<void> {
    return this.#state.holds.sweep();
  }

  /** The text for standard output. */
  async #perform(request: RawRequest, signal: AbortSignal): Promise<string> {
    const role = request.program === "calico-ipam" ? this.#ipam : this.#whole;
    switch (verbOf(request)) {
      case "ADD":
        return role.add(request, signal);
      case "DEL":
        return role.del(request);
      case "CHECK":
        return role.check(request);
      case "STATUS":
        return role.status(request);
      case "GC":
        return role.gc(request);
    }
  }
}

// --- internal ---

function factsOf({ environment }: RawRequest, error: CniError): Readonly<Record<string, unknown>> {
  return {
    verb: environment.get("CNI_COMMAND"),
    containerId: environment.get("CNI_CONTAINERID"),
    args: environment.get("CNI_ARGS"),
    code: error.code,
    details: error.details,
  };
}
