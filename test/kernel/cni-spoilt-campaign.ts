import { join } from "node:path";
import { AttachmentFiles } from "../../src/cni/attachments.ts";
import { LeaseFiles } from "../../src/cni/leases.ts";
import { type Answer, CniPlugin } from "../../src/cni/plugin.ts";
import { defaultTiming } from "../../src/cni/timing.ts";
import { systemClock } from "../../src/host/clock.ts";
import { Allocator } from "../../src/ipam/allocator.ts";
import { FakeIpamStore } from "../fakes/ipam-store.ts";
import { type StepWatcher, watched, watchedStore } from "./cni-steps.ts";
import type { Subject } from "./cni-subjects.ts";

/** What goes wrong at a step, in an agent that lives on. */
export interface Spoiling {
  /** The caller goes; one thing fails; or everything that is done fails from there on. */
  readonly by: "hang-up" | "fault" | "outage";
  /** What fails `after` it was done is done nevertheless. */
  readonly when: "before" | "after";
}

/** In which of its ways the runtime goes on after a spoilt step, by their numbers; in all of them by default. */
type Choice = (step: number) => readonly number[];

const everyWay: Choice = () => [0, 1, 2];

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
      if (agent.spoilt.exitCode === 0) await subject.requireWhole();
      else {
        await agent.tryAgain();
        requireNone(await subject.left());
      }
    } else {
      // At the same time: what is tried again must not take what is being made.
      await Promise.all([agent.succeed(next), agent.tryAgain()]);
      if (next === "ADD") await subject.requireWhole();
    }
    await agent.tryAgain();
    if (next === "ADD") await subject.requireWhole();
  });
}

/** The same for DEL: whatever goes wrong, the next one finishes it, unless what is tried again did. */
export async function sweepSpoiltDels(subject: Subject, spoiling: Spoiling): Promise<number> {
  return sweep(
    subject,
    spoiling,
    () => [0],
    async (agent) => {
      await agent.succeed("ADD");
      await agent.spoil("DEL");
      if (agent.spoilt.exitCode === 0) {
        await agent.tryAgain();
        requireNone(await subject.left());
      }
    },
  );
}

// --- internal ---

/** More than any ADD or DEL has. */
const mostSteps = 200;

async function sweep(
  subject: Subject,
  spoiling: Spoiling,
  chosen: Choice,
  course: (agent: Agent) => Promise<void>,
): Promise<number> {
  for (let step = 1; step < mostSteps; step++) {
    for (const round of chosen(step)) {
      const agent = new Agent(subject, spoiling, { step, round });
      try {
        await course(agent);
        await agent.succeed("DEL");
        await agent.tryAgain();
        requireNone(await subject.left());
      } catch (cause) {
        const what = `${spoiling.by} ${spoiling.when} step ${step} (${agent.spoiltAt}), round ${round}`;
        throw new Error(`${what}: ${cause instanceof Error ? cause.message : cause}`, { cause });
      }
      if (agent.spoiltAt === undefined) return step - 1;
    }
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
  readonly #caller = new AbortController();
  #counts = false;

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
    const store = watchedStore(new FakeIpamStore(node.cluster, node.storeFault), watch);
    const clock = { ...systemClock, sleep: async () => {} };
    const ipam = new Allocator({ store, node: node.dependencies.nodeName, clock });
    const parts = watched({ ...node.dependencies, ipam }, watch);
    const attachments = new AttachmentFiles(parts.host, join(node.folder, "attachments"), parts.report);
    const leases = new LeaseFiles(parts.host, join(node.folder, "leases"), parts.report);
    this.#plugin = new CniPlugin({ ...parts, attachments, leases }, defaultTiming);
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
