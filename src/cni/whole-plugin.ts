import { splitName } from "../api/names.ts";
import { add } from "./add.ts";
import { check } from "./check.ts";
import { del } from "./del.ts";
import type { Gate } from "./gate.ts";
import { type NetConf, parseNetConf, parseNetworkName } from "./net-conf.ts";
import type { NodeState } from "./node-state.ts";
import { parsePodTarget, parseTarget, type RawRequest, type Verb } from "./request.ts";
import { formatResult } from "./result.ts";
import { type Role, requireVersion } from "./role.ts";
import { unlisted } from "./valid-attachments.ts";

/** `calico`: interfaces, addresses, policy and routes of pods. */
export class WholePlugin implements Role {
  readonly #state: NodeState;
  readonly #gate: Gate;
  /** Remarks on configurations that have been made: the runtime sends the same ones with each call. */
  readonly #remarks = new Set<string>();

  constructor(state: NodeState, gate: Gate) {
    this.#state = state;
    this.#gate = gate;
  }

  async add(request: RawRequest, hangUp: AbortSignal): Promise<string> {
    const conf = this.#confOf(request, "ADD");
    const target = parsePodTarget(request);
    const { namespace, name } = target.pod;
    return this.#gate.add(`pod ${namespace}/${name}`, hangUp, async (signal) => {
      const outcome = await this.#gate.alone(target, () => add({ conf, target }, this.#state, signal));
      return formatResult(outcome, conf.cniVersion);
    });
  }

  async del(request: RawRequest): Promise<string> {
    const network = parseNetworkName(request.stdin);
    const target = parseTarget(request);
    await this.#gate.alone(target, () => del(network, target, this.#state));
    return "";
  }

  async check(request: RawRequest): Promise<string> {
    const conf = this.#confOf(request, "CHECK");
    const target = parsePodTarget(request);
    await this.#gate.alone(target, () => check(conf, target, this.#state));
    return "";
  }

  async status(request: RawRequest): Promise<string> {
    this.#confOf(request, "STATUS");
    this.#gate.requireReady();
    return "";
  }

  /** Takes away every attachment of this network that the runtime does not list as valid. */
  async gc(request: RawRequest): Promise<string> {
    const conf = this.#confOf(request, "GC");
    for (const stored of unlisted(await this.#state.node.attachments.list(), conf)) {
      const [namespace, name] = splitName(stored.pod);
      const target = { ...stored, pod: { namespace, name, uid: stored.podUid } };
      await this.#gate.alone(target, () => del(conf.name, target, this.#state, "GC by the runtime"));
    }
    return "";
  }

  #confOf(request: RawRequest, verb: Verb): NetConf {
    const { nodeName, report } = this.#state.node;
    const warn = (message: string) => {
      if (!this.#remarks.has(message)) report("warn", message);
      this.#remarks.add(message);
    };
    const conf = parseNetConf(request.stdin, { nodeName, warn });
    requireVersion(verb, conf.cniVersion);
    return conf;
  }
}
