import { splitName } from "../api/names.ts";
import { attachmentKey } from "../api/objects.ts";
import { type AddRequest, add } from "./add.ts";
import type { StoredAttachment } from "./attachments.ts";
import { check } from "./check.ts";
import { parseCniResult } from "./cni-result.ts";
import { type DelRequest, del } from "./del.ts";
import { doAll } from "./do-all.ts";
import type { Gate } from "./gate.ts";
import type { ReleaseReason } from "./journal.ts";
import { type NetConf, parseNetConf, parseNetworkName } from "./net-conf.ts";
import type { NodeState } from "./node-state.ts";
import { requireNodenameFile } from "./nodename-file.ts";
import { passOnGc, passOnStatus } from "./pass-on.ts";
import { parsePodTarget, parseTarget, type RawRequest, type Target, type Verb } from "./request.ts";
import { type AddOutcome, formatResult } from "./result.ts";
import { type Role, requireVersion } from "./role.ts";
import { unlisted } from "./valid-attachments.ts";

/** `calico`: interfaces, addresses, policy and routes of pods. */
export class WholePlugin implements Role {
  readonly #state: NodeState;
  readonly #gate: Gate;
  /** Remarks on configurations that have been made: the runtime sends the same ones with each call. */
  readonly #remarks = new Set<string>();
  /** Configurations by their text, which is mostly the same one. */
  readonly #confs = new Map<string, NetConf>();

  constructor(state: NodeState, gate: Gate) {
    this.#state = state;
    this.#gate = gate;
  }

  async add(request: RawRequest, hangUp: AbortSignal): Promise<string> {
    const conf = await this.#confOf(request, "ADD");
    const target = parsePodTarget(request);
    const earlier = conf.prevResult === undefined ? undefined : parseCniResult(conf.prevResult, "prevResult");
    const { namespace, name } = target.pod;
    return this.#gate.add(`pod ${namespace}/${name}`, hangUp, async (signal) => {
      const outcome = await this.#gate.alone(target, async () => {
        await this.#undoOpen(target);
        return this.#attach({ conf, target, raw: request }, signal);
      });
      return formatResult(outcome, conf.cniVersion, { earlier, dns: conf.dns });
    });
  }

  async del(request: RawRequest): Promise<string> {
    await this.#gate.alone(parseTarget(request), () => this.#takeAway(request, "DEL"));
    return "";
  }

  async undo(request: RawRequest): Promise<void> {
    const target = parseTarget(request);
    await this.#gate.alone(target, () => this.#undoOpen(target));
  }

  async check(request: RawRequest): Promise<string> {
    const conf = await this.#confOf(request, "CHECK");
    const target = parsePodTarget(request);
    await this.#gate.alone(target, () => check({ conf, target, raw: request }, this.#state));
    return "";
  }

  async status(request: RawRequest): Promise<string> {
    const conf = await this.#confOf(request, "STATUS");
    this.#gate.requireReady();
    await passOnStatus({ conf, raw: request }, this.#state);
    return "";
  }

  /** Takes away every attachment of this network that the runtime does not list as valid, also when one of them resists. */
  async gc(request: RawRequest): Promise<string> {
    const conf = await this.#confOf(request, "GC");
    const stale = unlisted(await this.#state.node.attachments.list(), conf);
    await doAll([
      ...stale.map((stored) => () => this.#collect(stored)),
      () => passOnGc({ conf, raw: request }, this.#state),
    ]);
    return "";
  }

  async #collect(stored: StoredAttachment): Promise<void> {
    const [namespace, name] = splitName(stored.pod);
    const target = { ...stored, pod: { namespace, name, uid: stored.podUid } };
    const detach = () => this.#detach({ network: stored.network, target, raw: undefined }, "GC by the runtime");
    await this.#gate.alone(target, detach);
  }

  /** Before an ADD of the same interface too: what it makes must not be taken for the rest of the earlier one. */
  async #undoOpen(target: Target): Promise<void> {
    const interrupted = await this.#state.intents.find(attachmentKey(target));
    if (interrupted !== undefined) await this.#takeAway(interrupted, "failed ADD");
  }

  async #attach(request: AddRequest, signal: AbortSignal): Promise<AddOutcome> {
    const outcome = await add(request, this.#state, signal);
    const { attachments, observer } = this.#state.node;
    const attachment = await attachments.get(attachmentKey(request.target));
    if (attachment !== undefined) observer.attached(attachment, outcome.policyMs);
    return outcome;
  }

  async #detach(request: DelRequest, why: ReleaseReason): Promise<void> {
    const { attachments, observer } = this.#state.node;
    const attachment = await attachments.get(attachmentKey(request.target));
    await del(request, this.#state, why);
    if (attachment !== undefined) observer.detached(attachment);
  }

  async #takeAway(request: RawRequest, why: "DEL" | "failed ADD"): Promise<void> {
    const target = parseTarget(request);
    await this.#detach({ network: parseNetworkName(request.stdin), target, raw: request }, why);
    await this.#state.intents.end(attachmentKey(target));
  }

  async #confOf({ stdin }: RawRequest, verb: Verb): Promise<NetConf> {
    const conf = this.#confs.get(stdin) ?? this.#parse(stdin);
    requireVersion(verb, conf.cniVersion);
    await requireNodenameFile(conf, this.#state.node);
    return conf;
  }

  #parse(stdin: string): NetConf {
    const { nodeName, report } = this.#state.node;
    const warn = (message: string) => {
      if (!this.#remarks.has(message)) report("warn", message);
      this.#remarks.add(message);
    };
    const conf = parseNetConf(stdin, { nodeName, warn });
    if (this.#confs.size === mostConfs) this.#confs.clear();
    if (stdin.length <= longestConf) this.#confs.set(stdin, conf);
    return conf;
  }
}

// --- internal ---

const mostConfs = 16;
/** In characters; a result of earlier plugins makes each text another anyway. */
const longestConf = 4096;
