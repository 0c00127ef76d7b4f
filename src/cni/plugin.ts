import { inParallel } from "../net/in-parallel.ts";
import { type CniError, cniErrorOf, formatCniError } from "./cni-error.ts";
import type { CniDependencies } from "./dependencies.ts";
import { Gate } from "./gate.ts";
import { Intents } from "./intents.ts";
import { IpamPlugin } from "./ipam-plugin.ts";
import { ReleaseJournal } from "./journal.ts";
import { answerVersion } from "./net-conf.ts";
import { NetworkHolds } from "./network-holds.ts";
import type { NodeState } from "./node-state.ts";
import { type RawRequest, verbOf } from "./request.ts";
import { RequestLog } from "./request-log.ts";
import type { Role } from "./role.ts";
import type { CniTiming } from "./timing.ts";
import { WholePlugin } from "./whole-plugin.ts";
import { WireTurns } from "./wire-turns.ts";

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
  readonly #log: RequestLog;

  constructor(node: CniDependencies, timing: CniTiming) {
    const owed = { journal: new ReleaseJournal(node), holds: new NetworkHolds(node), intents: new Intents(node) };
    this.#state = { node, timing, ...owed, wireTurns: new WireTurns() };
    this.#gate = new Gate(this.#state);
    this.#whole = new WholePlugin(this.#state, this.#gate);
    this.#ipam = new IpamPlugin(this.#state, this.#gate);
    this.#log = new RequestLog(node);
  }

  /** How many pods' interfaces are being made, or wait for that; their rules are wanted next. */
  get podsToCome(): number {
    return this.#state.wireTurns.asked;
  }

  /** Never rejects: a failure is an answer too, and is reported. `signal` aborts when the caller has gone. */
  async answer(request: RawRequest, signal: AbortSignal): Promise<Answer> {
    const startedAt = this.#state.node.clock.monotonicNow();
    try {
      const stdout = await this.#perform(request, signal);
      this.#tell(request, startedAt);
      return { exitCode: 0, stdout };
    } catch (thrown) {
      const error = cniErrorOf(thrown);
      this.#tell(request, startedAt, error);
      this.#state.node.report("warn", error.message, factsOf(request, error));
      return { exitCode: 1, stdout: formatCniError(error, answerVersion(request.stdin)) };
    }
  }

  /** Ends once what is to be written of the requests so far is written. */
  async close(): Promise<void> {
    await this.#log.settled();
  }

  /** Gives back addresses that an earlier DEL could not. What still fails is kept. */
  async drainJournal(): Promise<void> {
    await this.#state.journal.drain((containerId, action) => this.#gate.aloneInContainer(containerId, action));
  }

  /**
   * Takes away what ADDs left that were cut short: by an agent that was killed, or by what stood in the way of their own
   * undoing. What cannot be taken away yet is reported and kept.
   */
  async undoInterrupted(): Promise<void> {
    await inParallel(await this.#state.intents.list(), atOnce, async ({ request }) => {
      try {
        await this.#roleOf(request).undo(request);
      } catch (thrown) {
        const error = cniErrorOf(thrown);
        const sentence = `Cannot undo an ADD that was cut short yet: ${error.message}`;
        this.#state.node.report("warn", sentence, factsOf(request, error));
      }
    });
  }

  /** Gives back what networks hold that have no container on this node any more, as `NetworkHolds.sweep`. */
  sweepHolds(): Promise<void> {
    return this.#state.holds.sweep();
  }

  #roleOf({ program }: RawRequest): Role {
    return program === "calico-ipam" ? this.#ipam : this.#whole;
  }

  #tell(request: RawRequest, startedAt: number, error?: CniError): void {
    const { observer, clock } = this.#state.node;
    const verb = request.environment.get("CNI_COMMAND") ?? "";
    const ms = clock.monotonicNow() - startedAt;
    observer.answered({ program: request.program, verb, ms, code: error?.code ?? 0 });
    this.#log.write(request, { ms, error });
  }

  /** The text for standard output. */
  async #perform(request: RawRequest, signal: AbortSignal): Promise<string> {
    const role = this.#roleOf(request);
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

/** Each may wait some seconds for the API server, and meanwhile ADDs wait for the agent. */
const atOnce = 16;

function factsOf({ environment }: RawRequest, error: CniError): Readonly<Record<string, unknown>> {
  return {
    verb: environment.get("CNI_COMMAND"),
    containerId: environment.get("CNI_CONTAINERID"),
    args: environment.get("CNI_ARGS"),
    code: error.code,
    details: error.details,
  };
}
