import { cniCode } from "../../src/cni/cni-error.ts";
import type { Disturbances } from "./first-instruction-agent.ts";
import type { Seen } from "./first-instruction-meter.ts";
import {
  forbiddenPort,
  isWelcome,
  type LifeOutcome,
  type Newcomer,
  podName,
  type TargetOutcome,
} from "./first-instruction-pod.ts";
import { inheritedPorts, type Stage } from "./first-instruction-stage.ts";

/** What has become of all pods: broken promises as sentences, and figures. */
export class Tally {
  /** One sentence for each promise that was broken. */
  readonly broken: string[] = [];
  /** Pods that have been added. */
  pods = 0;
  /** Sandboxes whose ADD failed, and those among them that the runtime gave up. */
  failedAdds = 0;
  givenUp = 0;
  /** Connects that had to succeed at the first SYN. */
  allowed = 0;
  /** Connects that were tried and must not arrive, as the pods count them; and datagrams. */
  forbiddenSyns = 0;
  forbiddenDatagrams = 0;
  /** Pods whose address a pod with other rights had had before. */
  reused = 0;
  /** Of those added, as the node counts them: pods whose forbidden packets came out of their interface. */
  attempted = 0;
  /** Forbidden packets that came out of pods, and packets that came through another node's set to a pod with new rights. */
  attemptedPackets = 0;
  inheritedPackets = 0;
  /** DELs that were kept for an agent that was away. */
  spooledDels = 0;
  disturbances: Disturbances = { pauses: 0, kills: 0, slowdowns: 0 };
  /** Milliseconds from ADD's end to the first answer. */
  readonly remoteSetMs: number[] = [];
  readonly newBlockMs: number[] = [];
  readonly #openThere: string;
  readonly #rights = new Map<string, string>();
  readonly #ports = new Set<number>();

  constructor({ openThere }: Pick<Stage, "openThere">) {
    this.#openThere = openThere;
  }

  /** Takes in one sandbox. */
  add(newcomer: Newcomer, life: LifeOutcome): void {
    for (const target of life.targets) this.#addTarget(newcomer, life, target);
    this.#ports.add(forbiddenPort(newcomer));
    if (life.del.code !== 0) this.#broke(newcomer, `DEL failed: ${life.del.output}`);
    if (life.remained > 0) this.spooledDels++;
    if (life.add.code !== 0) this.#addFailure(newcomer, life);
    else this.#addSuccess(newcomer, life);
  }

  /** Takes in what the meters have seen. */
  async read({ forbidden, attempted, inherited }: Stage, disturbances: Disturbances): Promise<void> {
    this.disturbances = disturbances;
    for (const meter of forbidden) {
      const packets = await meter.packets();
      const kinds = await meter.seen();
      if (packets > 0)
        this.broken.push(`${packets} forbidden packets at ${meter.name}: ${kinds.map(formatSeen).join(", ")}`);
    }
    this.attemptedPackets = await attempted.packets();
    this.attempted = new Set((await attempted.seen()).map(({ port }) => port)).intersection(this.#ports).size;
    this.inheritedPackets = await inherited.packets();
  }

  /** The figures, one line each. */
  summary(): string {
    const { pauses, kills, slowdowns } = this.disturbances;
    return [
      `pods added: ${this.pods}, failed ADDs before: ${this.failedAdds} (given up by the runtime: ${this.givenUp}), addresses had by others with other rights before: ${this.reused}`,
      `agent: pauses ${pauses}, kills ${kills}, slowdowns ${slowdowns}; DELs kept for it while it was away: ${this.spooledDels}`,
      `forbidden: SYNs sent ${this.forbiddenSyns}, datagrams sent ${this.forbiddenDatagrams}; the node saw ${this.attemptedPackets} packets of ${this.attempted} pods come out`,
      `allowed connects at once, each with its first SYN or else a broken promise: ${this.allowed}`,
      `remote set that selects by labels: first answer ${spread(this.remoteSetMs)}; packets of later owners that it let in: ${this.inheritedPackets}`,
      `newly claimed block: first answer ${spread(this.newBlockMs)}`,
      `broken promises: ${this.broken.length}`,
    ].join("\n");
  }

  #addTarget(newcomer: Newcomer, life: LifeOutcome, target: TargetOutcome): void {
    const { kind, to, tries, answers, retransmits, us, error } = target;
    if (kind === "forbidden") {
      if (to.startsWith("tcp")) this.forbiddenSyns += tries;
      else this.forbiddenDatagrams += tries;
      if (answers > 0 && !isInherited(to)) this.#broke(newcomer, `${answers} answers from ${to}, which is forbidden`);
      return;
    }
    if (life.add.code !== 0) return;
    const isRefused = error !== "" || answers === 0;
    if (kind === "now") {
      this.allowed++;
      if (isRefused || retransmits > 0)
        this.#broke(newcomer, `the first SYN to ${to} was lost (${JSON.stringify(target)})`);
      return;
    }
    if (isRefused) this.#broke(newcomer, `no answer from ${to} (${JSON.stringify(target)})`);
    else if (to.includes(this.#openThere)) this.newBlockMs.push(us / 1000);
    else if (to.startsWith("tcp") && !newcomer.isFirstOfBlock) this.remoteSetMs.push(us / 1000);
  }

  #addFailure(newcomer: Newcomer, { add, left }: LifeOutcome): void {
    this.failedAdds++;
    if (add.killed) {
      this.givenUp++;
      return;
    }
    const code = codeOf(add.output);
    if (code !== cniCode.tryAgainLater) this.#broke(newcomer, `ADD failed with code ${code}: ${add.output}`);
    // Whoever is not there cannot clear up; it does when it is back, and DEL does.
    if (left > 0 && !add.output.includes("Cannot reach the agent"))
      this.#broke(newcomer, `a failed ADD left ${left} interfaces`);
  }

  #addSuccess(newcomer: Newcomer, { add }: LifeOutcome): void {
    this.pods++;
    const address = /"address":\s*"([\d.]+)\//.exec(add.output)?.[1] ?? "";
    const rights = isWelcome(newcomer) ? "welcome" : "not welcome";
    const before = this.#rights.get(address);
    if (before !== undefined && before !== rights) this.reused++;
    this.#rights.set(address, rights);
  }

  #broke(newcomer: Newcomer, what: string): void {
    const { namespace, role, early } = newcomer;
    this.broken.push(`${namespace}/${podName(newcomer)} (${role}${early ? ", early" : ""}): ${what}`);
  }
}

// --- internal ---

function isInherited(to: string): boolean {
  const port = Number(to.split("/")[2]);
  return port >= inheritedPorts[0] && port <= inheritedPorts[1];
}

function formatSeen({ protocol, from, to, port }: Seen): string {
  return `${protocol} ${from} → ${to}:${port}`;
}

function codeOf(output: string): number | undefined {
  try {
    return (JSON.parse(output) as { readonly code?: number }).code;
  } catch {
    return undefined;
  }
}

function spread(values: readonly number[]): string {
  if (values.length === 0) return "never";
  const sorted = values.toSorted((a, b) => a - b);
  const at = (part: number) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0);
  return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, longest ${at(1)} ms (${values.length} pods)`;
}
