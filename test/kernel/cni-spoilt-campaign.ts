import { join } from "node:path";
import { AttachmentFiles } from "../../src/cni/attachments.ts";
import { LeaseFiles } from "../../src/cni/leases.ts";
import { type Answer, CniPlugin } from "../../src/cni/plugin.ts";
import { defaultTiming } from "../../src/cni/timing.ts";
import type { IpamStore } from "../../src/ipam/store.ts";
import { MortalIpam, stopWell, warmUp } from "./cni-agent-ipam.ts";
import { type StepWatcher, watched, watchedStore } from "./cni-steps.ts";
import type { Subject } from "./cni-subjects.ts";

/** What goes wrong at a step, in an agent that lives on. */
export interface Spoiling {
  /** The caller goes; one thing fails; or everything that is done fails from there on. */
  readonly by: "hang-up" | "fault" | "outage";
  /** What fails `after` it was done is done nevertheless. */
  readonly when: "before" | "after";
}

/**
 * In which of its ways the runtime goes on after a spoilt step, by their numbers; in all of them by default. From 3 on they are
 * those of an agent that held addresses for pods to come before it was asked.
 */
type Choice = (step: number) => readonly number[];

const everyWay: Choice = () => [0, 1, 2, 3, 4, 5];

/**
 * Spoils an ADD at its first step, its second, and so on, until one is not spoilt any more; answers how many steps that were.
 * Throws unless each is undone, once what is tried again was tried again, in the end also by a DEL, and unless a repeated ADD
 * makes it whole and whole it stays.
 */
export async function sweepSpoiltAdds(subject: Subject, spoiling: Spoiling, chosen = everyWay): Promise<number> {
  return sweep(subject, spoiling, chosen, async (agent) => {
    await agent.spoil("ADD");
    const then = [undefined, "ADD", "DEL"] as const;
    const next = then[agent.round % then.length];
    if (next === undefined) {
      if (agent.spoilt.exitCode === 0) await agent.requireWhole();
      else {
        await agent.tryAgain();
        requireNone(await subject.left());
      }
    } else {
      // At the same time: what is tried again must not take what is being made.
      await Promise.all([agent.succeed(next), agent.tryAgain()]);
      if (next === "ADD") await agent.requireWhole();
    }
    await agent.tryAgain();
    if (next === "ADD") await agent.requireWhole();
  });
}

/**
 * The same for DEL: whatever goes wrong, the next one finishes it, unless what is tried again did. There is one way, with an agent
 * that held addresses (3) and with one that did not (0).
 */
export async function sweepSpoiltDels(
  subject: Subject,
  spoiling: Spoiling,
  chosen: Choice = () => [0, 3],
): Promise<number> {
  return sweep(subject, spoiling, chosen, async (agent) => {
    await agent.succeed("ADD");
    await agent.spoil("DEL");
    if (agent.spoilt.exitCode === 0) {
      await agent.tryAgain();
      requireNone(await subject.left());
    }
  });
}

// --- internal ---

/** More than any ADD or DEL has. */
const mostSteps = 200;
/** How long what was given may take to be named. */
const patienceMs = 5000;

async function sweep(
  subject: Subject,
  spoiling: Spoiling,
  chosen: Choice,
  course: (agent: Agent) => Promise<void>,
): Promise<number> {
  for (let step = 1; step < mostSteps; step++) {
    const ends: (string | undefined)[] = [];
    for (const round of chosen(step)) {
      const agent = new Agent(subject, spoiling, { step, round });
      try {
        await agent.begin();
        await course(agent);
        await agent.succeed("DEL");
        await agent.tryAgain();
        requireNone(await subject.left());
        await agent.stop();
      } catch (cause) {
        const what = `${spoiling.by} ${spoiling.when} step ${step} (${agent.spoiltAt}), round ${round}`;
        throw new Error(`${what}: ${cause instanceof Error ? cause.message : cause}`, { cause });
      }
      ends.push(agent.spoiltAt);
    }
    if (ends.length > 0 && ends.every((end) => end === undefined)) return step - 1;
  }
  throw new Error(`No end of it after ${mostSteps} steps`);
}

/** An agent over the subject's node, one of whose calls is spoilt. */
class Agent {
  readonly round: number;
  spoiltAt: string | undefined;
  spoilt: Answer = { exitCode: -1, stdout: "" };
  readonly #subject: Subject;
  readonly #plugin: CniPlugin;
  readonly #ipam: MortalIpam;
  readonly #caller = new AbortController();
  #counts = false;
  /** Puts off what nobody waits for, so that the steps are the same each time. */
  #isBusy = true;

  constructor(subject: Subject, { by, when: wanted }: Spoiling, { step, round }: { step: number; round: number }) {
    this.round = round;
    this.#subject = subject;
    let count = 0;
    const watch: StepWatcher = (when, name) => {
      if (!this.#counts) return;
      if (when === "before") count++;
      if (when !== wanted || count < step || (this.spoiltAt !== undefined && by !== "outage")) return;
      this.spoiltAt ??= name;
      if (by === "hang-up") this.#caller.abort(new Error("Cannot finish the request: the caller hung up"));
      else throw new Error(`Cannot do ${name}: it fails on purpose`);
    };
    const { node } = subject;
    const storeOf = (store: IpamStore) => watchedStore(store, watch);
    this.#ipam = new MortalIpam(node, { isBusy: () => this.#isBusy, storeOf });
    const parts = watched({ ...node.dependencies, ipam: this.#ipam.ipam }, watch);
    const attachments = new AttachmentFiles(parts.host, join(node.folder, "attachments"), parts.report);
    const leases = new LeaseFiles(parts.host, join(node.folder, "leases"), parts.report);
    this.#plugin = new CniPlugin({ ...parts, attachments, leases }, defaultTiming);
  }

  async begin(): Promise<void> {
    if (this.round >= 3) await warmUp(this.#ipam.ipam);
  }

  /** Throws when it leaves anything held. */
  stop(): Promise<void> {
    return stopWell(this.#subject.node, this.#ipam);
  }

  /** Once there is time for what nobody waits for. */
  async requireWhole(): Promise<void> {
    this.#isBusy = false;
    const end = performance.now() + patienceMs;
    const whole = () =>
      this.#subject.requireWhole().catch((error: unknown) => {
        if (performance.now() > end) throw error;
        return "not yet";
      });
    while ((await whole()) === "not yet") await new Promise((resolve) => setTimeout(resolve, 5));
  }

  async spoil(verb: "ADD" | "DEL"): Promise<void> {
    this.#counts = true;
    this.spoilt = await this.#plugin.answer(this.#subject.request(verb), this.#caller.signal);
    this.#counts = false;
  }

  async succeed(verb: "ADD" | "DEL"): Promise<void> {
    const { exitCode, stdout } = await this.#plugin.answer(this.#subject.request(verb), new AbortController().signal);
    if (exitCode !== 0) throw new Error(`${verb} failed: ${stdout}; before it ${this.spoilt.stdout}`);
  }

  /** All that the agent tries again from time to time. */
  async tryAgain(): Promise<void> {
    await this.#plugin.undoInterrupted();
    await this.#plugin.drainJournal();
    await this.#plugin.sweepHolds();
  }
}

function requireNone(found: readonly string[]): void {
  if (found.length > 0) throw new Error(`There is something left: ${found.join(", ")}`);
}
