import { namespacedName, splitName } from "../api/names.ts";
import { add } from "./add.ts";
import { check } from "./check.ts";
import { CniError, cniCode, cniErrorOf, formatCniError } from "./cni-error.ts";
import { del } from "./del.ts";
import type { CniDependencies } from "./dependencies.ts";
import { gc } from "./gc.ts";
import { ReleaseJournal } from "./journal.ts";
import { KeyedLock } from "./keyed-lock.ts";
import { answerVersion, type NetConf, parseNetConf, parseNetworkName, supportedVersions } from "./net-conf.ts";
import type { NodeState } from "./node-state.ts";
import {
  type PodTarget,
  parsePodTarget,
  parseTarget,
  type RawRequest,
  type Target,
  type Verb,
  verbOf,
} from "./request.ts";
import { formatResult } from "./result.ts";
import type { CniTiming } from "./timing.ts";

/** What the executable prints and ends with. */
export interface Answer {
  readonly exitCode: number;
  readonly stdout: string;
}

/** The verbs of the specification over one node. Requests may overlap; those of one container or pod wait for one another. */
export class CniPlugin {
  readonly #state: NodeState;
  readonly #containers = new KeyedLock();
  readonly #pods = new KeyedLock();
  /** Remarks on configurations that have been made: the runtime sends the same ones with each call. */
  readonly #remarks = new Set<string>();

  constructor(node: CniDependencies, timing: CniTiming) {
    this.#state = { node, journal: new ReleaseJournal(node), timing };
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
    await this.#state.journal.drain((containerId, action) => this.#containers.run(containerId, action));
  }

  /** The text for standard output. */
  async #perform(request: RawRequest, signal: AbortSignal): Promise<string> {
    const verb = verbOf(request);
    switch (verb) {
      case "ADD":
        return this.#add(this.#confOf(request, verb), parsePodTarget(request), signal);
      case "DEL":
        return this.#del(request);
      case "CHECK":
        return this.#check(this.#confOf(request, verb), parsePodTarget(request));
      case "STATUS":
        return this.#status(this.#confOf(request, verb));
      case "GC":
        return this.#gc(this.#confOf(request, verb));
    }
  }

  #confOf(request: RawRequest, verb: ConfiguredVerb): NetConf {
    requireWholePlugin(request);
    const { nodeName, report } = this.#state.node;
    const warn = (message: string) => {
      if (!this.#remarks.has(message)) report("warn", message);
      this.#remarks.add(message);
    };
    const conf = parseNetConf(request.stdin, { nodeName, warn });
    requireVersion(verb, conf);
    return conf;
  }

  async #add(conf: NetConf, target: PodTarget, hangUp: AbortSignal): Promise<string> {
    const { pod } = target;
    const signal = AbortSignal.any([hangUp, AbortSignal.timeout(addLimitMs)]);
    try {
      await this.#waitUntilReady(signal);
      const outcome = await this.#alone(target, () => add({ conf, target }, this.#state, signal));
      return formatResult(outcome, conf.cniVersion);
    } catch (cause) {
      if (!signal.aborted || hangUp.aborted) throw cause;
      const { message } = cniErrorOf(cause);
      const sentence = `Cannot wire pod ${pod.namespace}/${pod.name} within ${addLimitMs / 1000} s`;
      throw new CniError(cniCode.tryAgainLater, sentence, { details: message, cause });
    }
  }

  /** Asks as little of its input as it can, and goes on to its end when the caller hangs up: nothing may stay behind. */
  async #del(request: RawRequest): Promise<string> {
    const network = parseNetworkName(request.stdin);
    const target = parseTarget(request);
    await this.#alone(target, () => del(network, target, this.#state));
    return "";
  }

  async #check(conf: NetConf, target: PodTarget): Promise<string> {
    await this.#alone(target, () => check(conf, target, this.#state));
    return "";
  }

  #status(_checked: NetConf): string {
    const why = this.#state.node.unready();
    if (why !== undefined) throw this.#notReady(cniCode.unavailable, why);
    return "";
  }

  async #gc(conf: NetConf): Promise<string> {
    await gc(conf, this.#state, (stored) => {
      const [namespace, name] = splitName(stored.pod);
      const target = { ...stored, pod: { namespace, name, uid: stored.podUid } };
      return this.#alone(target, () => del(conf.name, target, this.#state));
    });
    return "";
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

  /** Always the container's lock first, so that two requests cannot wait for each other. */
  #alone<T>({ containerId, pod }: Target, action: () => Promise<T>): Promise<T> {
    return this.#containers.run(containerId, () =>
      pod === undefined ? action() : this.#pods.run(namespacedName(pod.namespace, pod.name), action),
    );
  }
}

// --- internal ---

/** DEL asks for less. */
type ConfiguredVerb = Exclude<Verb, "DEL">;

/** Shorter than the time after which kubelet and the runtimes give a sandbox up (2 and 4 minutes). */
const addLimitMs = 90_000;
const readyPollMs = 50;

function requireWholePlugin({ program }: RawRequest): void {
  if (program !== "calico-ipam") return;
  throw new CniError(
    cniCode.invalidConfiguration,
    'Cannot run calico-ipam by itself: it has no part of its own; set type to "calico" and ipam.type to "calico-ipam"',
  );
}

/** CHECK came with specification 0.4.0, STATUS and GC with 1.1.0. */
function requireVersion(verb: ConfiguredVerb, { cniVersion }: NetConf): void {
  const since = { ADD: "0.1.0", CHECK: "0.4.0", STATUS: "1.1.0", GC: "1.1.0" } as const;
  if (supportedVersions.indexOf(cniVersion) >= supportedVersions.indexOf(since[verb])) return;
  const sentence = `Cannot do ${verb} for cniVersion ${cniVersion}: it came with ${since[verb]}`;
  throw new CniError(cniCode.incompatibleVersion, sentence);
}

function factsOf({ environment }: RawRequest, error: CniError): Readonly<Record<string, unknown>> {
  return {
    verb: environment.get("CNI_COMMAND"),
    containerId: environment.get("CNI_CONTAINERID"),
    args: environment.get("CNI_ARGS"),
    code: error.code,
    details: error.details,
  };
}
