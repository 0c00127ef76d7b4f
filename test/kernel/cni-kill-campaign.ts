import { rm } from "node:fs/promises";
import { join } from "node:path";
import { attachmentKey } from "../../src/api/objects.ts";
import { AttachmentFiles } from "../../src/cni/attachments.ts";
import { buildShim } from "../../src/cni/build-shim.ts";
import { LinuxHost } from "../../src/host/linux-host.ts";
import { MortalIpam, stopWell, warmUp } from "./cni-agent-ipam.ts";
import type { Shim } from "./cni-call.ts";
import type { Doom } from "./cni-doomed-server.ts";
import type { DoomedServer, DoomedServers } from "./cni-doomed-servers.ts";
import type { CniNode } from "./cni-node.ts";
import type { Subject } from "./cni-subjects.ts";

/** What a sweep works with. */
export interface Sweep {
  readonly subject: Subject;
  readonly servers: DoomedServers;
  /** The folder of executables that wait for the next agent. */
  readonly patient: string;
  /**
   * Which of the courses to take after the kill at a step, by their numbers; all of them when absent. From their count on they are
   * those after an agent that held addresses for pods to come before it was asked.
   */
  readonly chosen?: (step: number) => readonly number[];
}

/** What a sweep came to. */
export interface SweepFigures {
  readonly steps: number;
  readonly kills: number;
}

/**
 * Kills the server at its first step of an ADD, its second, and so on, until an ADD comes through; after each kill another
 * server takes over, and the runtime goes on in each of these ways. Throws at the first thing that is left over or missing.
 *
 *     0  it calls no more; then ADD again, and DEL
 *     1  it calls DEL while there is no agent
 *     2  its ADD waits for the next agent
 *     3  it calls DEL once the next agent is there
 *     4  the next agent is killed, too, at one of its first steps
 *
 * Addresses for pods to come are the one's that lives, as many as one holds; a good end of it leaves none.
 */
export async function sweepAdd(sweep: Sweep, when: Doom["when"]): Promise<SweepFigures> {
  const courses = [addAgain, delMeanwhile, addWaits, delLater, killedAgain];
  return sweepSteps(sweep, courses, async (step, course, isWarm) => {
    const { subject, servers } = sweep;
    const server = await servers.start({ from: "listening", step, when, isWarm });
    const isPatient = course === addWaits;
    const call = subject.call("ADD", isPatient ? sweep.patient : undefined);
    const killedAt = await endOf(server, call);
    await course({ sweep, step, call });
    return killedAt;
  });
}

/**
 * The same for DEL: what it has begun is finished by the next server, whether or not the runtime asks once more. Of what was given
 * from what the ADD's agent held, that agent has not told the store.
 */
export async function sweepDel(sweep: Sweep, when: Doom["when"]): Promise<SweepFigures> {
  const { subject, servers } = sweep;
  const courses = [delKept, delForgotten, delKilledAgain];
  return sweepSteps(sweep, courses, async (step, course, isWarm) => {
    const first = await serveAgain(subject.node, () => isWarm);
    if (isWarm) await warmUp(first.agent.ipam);
    await succeed(subject, "ADD");
    await (isWarm ? first.kill() : first.close());
    const server = await servers.start({ from: "listening", step, when, isWarm: false });
    const call = subject.call("DEL");
    const killedAt = await endOf(server, call);
    await course({ sweep, step, call });
    return killedAt;
  });
}

/** Executables for the same node that wait so long for an agent; answers their folder. */
export async function buildPatient({ programs, socketPath, spool }: Shim, waitMs: number): Promise<string> {
  const folder = join(programs, "patient");
  await buildShim(new LinuxHost(), { folder, socketPath, spoolFolder: spool, waitMs });
  return folder;
}

/** Throws unless nothing is left of the subject in a while. */
async function requireNothing({ left }: Pick<Subject, "left">): Promise<void> {
  const end = performance.now() + patienceMs;
  for (;;) {
    const found = await left();
    if (found.length === 0) return;
    if (performance.now() > end) throw new Error(`There is something left: ${found.join(", ")}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A new agent on the node: it begins with what it finds in the files. */
async function serveAgain(node: CniNode, isBusy: () => boolean = () => false): Promise<LivingAgent> {
  const { host, report } = node.dependencies;
  const files = await new AttachmentFiles(host, join(node.folder, "attachments"), report).list();
  node.published.clear();
  for (const one of files) node.published.set(attachmentKey(one), one);
  // It knows nothing of the cluster but what it reads.
  const agent = new MortalIpam(node, { isBusy });
  agent.begin();
  const server = await node.serve({ ipam: agent.ipam }, { retryMs: 20 });
  return {
    agent,
    close: async () => {
      await server.close();
      await stopWell(node, agent);
    },
    kill: async () => {
      agent.kill();
      await server.close();
    },
  };
}

// --- internal ---

const patienceMs = 10_000;
/** Longer than an agent rests before it does what nobody waits for. */
const afterworkMs = 250;
/** More than any ADD or DEL has. */
const mostSteps = 200;

interface LivingAgent {
  readonly agent: MortalIpam;
  /** Throws when it leaves anything held. */
  close(): Promise<void>;
  kill(): Promise<void>;
}

interface Killed {
  readonly sweep: Sweep;
  readonly step: number;
  /** The runtime's, which found no answer. */
  readonly call: ReturnType<Subject["call"]>;
}

type Course = (killed: Killed) => Promise<void>;

async function sweepSteps(
  { chosen = () => [...courses, ...courses].keys().toArray() }: Sweep,
  courses: readonly Course[],
  kill: (step: number, course: Course, isWarm: boolean) => Promise<string | undefined>,
): Promise<SweepFigures> {
  let kills = 0;
  for (let step = 1; step < mostSteps; step++) {
    const ends: (string | undefined)[] = [];
    for (const number of chosen(step)) {
      const course = courses[number % courses.length] ?? addAgain;
      const isWarm = number >= courses.length;
      try {
        ends.push(await kill(step, course, isWarm));
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : cause;
        throw new Error(`Step ${step}, ${course.name}${isWarm ? ", warm" : ""}: ${why}`, { cause });
      }
    }
    kills += ends.filter((end) => end !== undefined).length;
    if (ends.length > 0 && ends.every((end) => end === undefined)) return { steps: step - 1, kills };
  }
  throw new Error(`No end of it after ${mostSteps} steps`);
}

/** At which step it was killed; undefined when the call, and what is done once it is answered, was through first. */
async function endOf(server: DoomedServer, call: Promise<unknown>): Promise<string | undefined> {
  await Promise.race([server.killedAt, call.then(() => new Promise((resolve) => setTimeout(resolve, afterworkMs)))]);
  await server.kill();
  return server.killedAt;
}

const addAgain: Course = async ({ sweep: { subject }, call }) => {
  const { exitCode } = await call;
  await using _server = await closing(serveAgain(subject.node));
  if (exitCode === 0) await requireWhole(subject);
  else await requireNothingOrWhole(subject);
  await succeed(subject, "ADD");
  await requireWhole(subject);
  await subject.requireWorking();
  await succeed(subject, "DEL");
  await requireNothing(subject);
};

const delMeanwhile: Course = async ({ sweep: { subject }, call }) => {
  await call;
  await succeed(subject, "DEL");
  await using _server = await closing(serveAgain(subject.node));
  await requireNothing(subject);
};

const addWaits: Course = async ({ sweep: { subject }, call }) => {
  await using _server = await closing(serveAgain(subject.node));
  const { exitCode, text } = await call;
  if (exitCode !== 0) throw new Error(`The ADD that waited failed: ${text}`);
  await requireWhole(subject);
  await subject.requireWorking();
  await succeed(subject, "DEL");
  await requireNothing(subject);
};

const delLater: Course = async ({ sweep: { subject }, call }) => {
  await call;
  await using _server = await closing(serveAgain(subject.node));
  await succeed(subject, "DEL");
  await requireNothing(subject);
};

const killedAgain: Course = async ({ sweep: { subject, servers }, step, call }) => {
  await call;
  const second = await servers.start({
    from: "start",
    step: 1 + (step % 9),
    when: step % 2 === 0 ? "before" : "after",
    isWarm: false,
  });
  await second.kill();
  await using _server = await closing(serveAgain(subject.node));
  await requireNothingOrWhole(subject);
  await succeed(subject, "DEL");
  await requireNothing(subject);
};

/** As the executable sees to it: it has kept the DEL. */
const delKept: Course = async ({ sweep: { subject }, call }) => {
  const { exitCode, text } = await call;
  if (exitCode !== 0) throw new Error(`The DEL failed: ${text}`);
  await using _server = await closing(serveAgain(subject.node));
  await requireNothing(subject);
};

/** The executable was killed with the agent: only the runtime knows of the DEL, and asks again. */
const delForgotten: Course = async ({ sweep: { subject }, call }) => {
  await call;
  await rm(subject.node.shim.spool, { recursive: true, force: true });
  await using _server = await closing(serveAgain(subject.node));
  await succeed(subject, "DEL");
  await requireNothing(subject);
};

/** The next agent is killed over the DEL that was kept. */
const delKilledAgain: Course = async ({ sweep: { subject, servers }, step, call }) => {
  await call;
  const second = await servers.start({ from: "start", step: 1 + (step % 5), when: "after", isWarm: false });
  await second.kill();
  await using _server = await closing(serveAgain(subject.node));
  await requireNothing(subject);
};

/** What was given is named in the cluster a little later. */
async function requireWhole(subject: Subject): Promise<void> {
  for (const end = performance.now() + patienceMs; ; ) {
    const why = await faultOf(subject);
    if (why === undefined) return;
    if (performance.now() > end) throw new Error(`It is not whole: ${why}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** What is undone is undone when the server listens, but for what is given back later. */
async function requireNothingOrWhole(subject: Subject): Promise<void> {
  for (const end = performance.now() + patienceMs; ; ) {
    const why = await faultOf(subject);
    const left = await subject.left();
    if (why === undefined || left.length === 0) return;
    if (performance.now() > end) throw new Error(`It is neither undone nor whole: ${left.join(", ")}; ${why}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function faultOf(subject: Subject): Promise<unknown> {
  return subject.requireWhole().then(
    () => undefined,
    (error: unknown) => error,
  );
}

async function succeed(subject: Subject, verb: "ADD" | "DEL"): Promise<void> {
  const { exitCode, text } = await subject.call(verb);
  if (exitCode !== 0) throw new Error(`${verb} failed: ${text}`);
}

async function closing(starting: Promise<LivingAgent>): Promise<AsyncDisposable> {
  const agent = await starting;
  return { [Symbol.asyncDispose]: () => agent.close() };
}
