import { join } from "node:path";
import { pino } from "pino";
import { NodeIpam } from "../../src/agent/node-ipam.ts";
import { reserveHandle } from "../../src/api/ipam-block.ts";
import { systemClock } from "../../src/host/clock.ts";
import type { Ipam } from "../../src/ipam/ipam.ts";
import type { IpamStore } from "../../src/ipam/store.ts";
import type { Clock } from "../../src/net/clock.ts";
import type { Ip } from "../../src/net/ip.ts";
import { FakeIpamStore } from "../fakes/ipam-store.ts";
import type { CniNode, NodeParts } from "./cni-node.ts";

/** What the address management of an agent is made of. */
export interface AgentIpamParts extends Pick<NodeParts, "nodeName" | "host" | "report" | "paths"> {
  /** The node's. */
  readonly folder: string;
  readonly store: IpamStore;
  /** As of `CniServer`: while it answers true, what was given is not named for half a second. By default never. */
  readonly isBusy?: () => boolean;
  /** Ends every sleep. */
  readonly ended?: AbortSignal;
}

/** Address management as the real agent has it, over the node's real files, with short waits. */
export function agentIpamOf({ folder, store, isBusy, ended, ...parts }: AgentIpamParts): NodeIpam {
  return new NodeIpam({
    ...{
      ...parts,
      store,
      isBusy: isBusy ?? (() => false),
      clock: quickClock(ended),
      logger: pino({ level: "silent" }),
    },
    ...{ attachmentsFolder: join(folder, "attachments"), intentsFolder: parts.paths.intents, lockedFolder: folder },
  });
}

/** Has it hold addresses before the first pod, as after an earlier one. */
export async function warmUp(ipam: Ipam): Promise<void> {
  await ipam.assign({ handle: "warm-up", v4: 1, v6: 1, attributes: {}, mayBeNamedLater: true });
  await ipam.release("warm-up", "DEL");
}

/** One agent's address management over a node's cluster, that can be ended well or as by SIGKILL. */
export class MortalIpam {
  readonly #whole: NodeIpam;
  readonly #life = new AbortController();

  /** `storeOf` makes its store of one that answers nothing any more once it is killed. */
  constructor(
    node: CniNode,
    {
      isBusy,
      storeOf = (store) => store,
    }: Pick<AgentIpamParts, "isBusy"> & { readonly storeOf?: (s: IpamStore) => IpamStore } = {},
  ) {
    const { nodeName, host, report, paths } = node.dependencies;
    const store = new FakeIpamStore(node.cluster, (call) =>
      this.#life.signal.aborted ? new Promise(() => {}) : node.storeFault(call),
    );
    this.#whole = agentIpamOf({
      ...{ nodeName, host, report, paths, folder: node.folder, store: storeOf(store), ended: this.#life.signal },
      ...(isBusy === undefined ? {} : { isBusy }),
    });
  }

  get ipam(): Ipam {
    return this.#whole.ipam;
  }

  begin(): void {
    this.#whole.begin();
  }

  stop(): Promise<void> {
    return this.#whole.stop();
  }

  /** Nothing is written from here on, and the node's next agent has the lock. */
  kill(): void {
    this.#life.abort(new Error("Cannot wait: the agent was killed"));
    this.#whole.leave();
  }
}

/** What is wrong with what the node holds for pods to come, as sentences. */
export function reserveFaults(node: CniNode): readonly string[] {
  const { nodeName } = node.dependencies;
  const held = node.held();
  const others = held.filter(
    ({ attribute: { handle_id, secondary } }) =>
      handle_id !== reserveHandle(nodeName) || secondary?.["node"] !== nodeName,
  );
  const used = new Set<Ip>([...node.published.values()].flatMap(({ addresses }) => addresses));
  const unnamed = held.filter(({ ip }) => used.has(ip));
  // 32 while many ask, and eight beside what an agent before it had not told, or a write whose answer was lost.
  const tooMany = [4, 6].filter((version) => held.filter(({ ip }) => ip.includes(":") === (version === 6)).length > 40);
  return [
    ...others.map(({ ip }) => `${ip} is held for pods to come, and not by this node`),
    ...unnamed.map(({ ip }) => `${ip} is a pod's, and held for pods to come`),
    ...tooMany.map((version) => `more than 40 of IPv${version} are held for pods to come`),
  ];
}

/** Ends it well. Throws unless nothing is held after it. */
export async function stopWell(node: CniNode, agent: Pick<MortalIpam, "stop">): Promise<void> {
  await agent.stop();
  const held = node.held().map(({ ip }) => ip);
  if (held.length > 0) throw new Error(`There is something held for pods to come after a good end: ${held.join(", ")}`);
}

// --- internal ---

/** A hundred times as fast for waits, but for that for a good end. */
function quickClock(ended: AbortSignal | undefined): Clock {
  const sleep: Clock["sleep"] = (ms, signal) => {
    const signals = [signal, ended].filter((one) => one !== undefined);
    return systemClock.sleep(ms === goodEndMs ? ms : ms / 100, AbortSignal.any(signals));
  };
  return { ...systemClock, sleep };
}

/** How long an agent waits at most for what it held to be given back. */
const goodEndMs = 2000;
