import { rm } from "node:fs/promises";
import { join } from "node:path";
import { attachmentKey } from "../../src/api/objects.ts";
import { AttachmentFiles } from "../../src/cni/attachments.ts";
import { buildShim } from "../../src/cni/build-shim.ts";
import type { CniServer } from "../../src/cni/server.ts";
import { systemClock } from "../../src/host/clock.ts";
import { LinuxHost } from "../../src/host/linux-host.ts";
import { Allocator } from "../../src/ipam/allocator.ts";
import { FakeIpamStore } from "../fakes/ipam-store.ts";
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
  /** Which of the courses to take after the kill at a step, by their numbers; all of them when absent. */
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
 */
export async function sweepAdd(sweep: Sweep, when: Doom["when"]): Promise<SweepFigures> {
  const courses = [addAgain, delMeanwhile, addWaits, delLater, killedAgain];
  return sweepSteps(sweep, courses, async (step, course) => {
    const { subject, servers } = sweep;
    const server = await servers.start({ from: "listening", step, when });
    const isPatient = course === addWaits;
    const call = subject.call("ADD", isPatient ? sweep.patient : undefined);
    const killedAt = await endOf(server, call);
    await course({ sweep, step, call });
    return killedAt;
  });
}

/** The same for DEL: what it has begun is finished by the next server, whether or not the runtime asks once more. */
export async function sweepDel(sweep: Sweep, when: Doom["when"]): Promise<SweepFigures> {
  const { subject, servers } = sweep;
  const courses = [delKept, delForgotten, delKilledAgain];
  return sweepSteps(sweep, courses, async (step, course) => {
    const first = await serveAgain(subject.node);
    await succeed(subject, "ADD");
    await first.close();
    const server = await servers.start({ from: "listening", step, when });
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
async function serveAgain(node: CniNode): Promise<CniServer> {
  const { host, report } = node.dependencies;
  const files = await new AttachmentFiles(host, join(node.folder, "attachments"), report).list();
  node.published.clear();
  for (const one of files) node.published.set(attachmentKey(one), one);
  const store = new FakeIpamStore(node.cluster, (call) => node.storeFault(call));
  const clock = { ...systemClock, sleep: async () => {} };
  // It knows nothing of the cluster but what it reads.
  const ipam = new Allocator({ store, node: node.dependencies.nodeName, clock });
  return node.serve({ ipam }, { retryMs: 20 });
}

// --- internal ---

const patienceMs = 10_000;
/** More than any ADD or DEL has. */
const mostSteps = 200;

interface Killed {
  readonly sweep: Sweep;
  readonly step: number;
  /** The runtime's, which found no answer. */
  readonly call: ReturnType<Subject["call"]>;
}

type Course = (killed: Killed) => Promise<void>;

async function sweepSteps(
  { chosen = () => courses.keys().toArray() }: Sweep,
  courses: readonly Course[],
  kill: (step: number, course: Course) => Promise<string | undefined>,
): Promise<SweepFigures> {
  let kills = 0;
  for (let step = 1; step < mostSteps; step++) {
    let isOver = false;
    for (const number of chosen(step)) {
      const course = courses[number % courses.length] ?? addAgain;
      try {
        if ((await kill(step, course)) === undefined) isOver = true;
        else kills++;
      } catch (cause) {
        throw new Error(`Step ${step}, ${course.name}: ${cause instanceof Error ? cause.message : cause}`, { cause });
      }
    }
    if (isOver) return { steps: step - 1, kills };
  }
  throw new Error(`No end of it after ${mostSteps} steps`);
}

/** At which step it was killed; undefined when the call was through first. */
async function endOf(server: DoomedServer, call: Promise<unknown>): Promise<string | undefined> {
  await Promise.race([server.killedAt, call]);
  await server.kill();
  return server.killedAt;
}

const addAgain: Course = async ({ sweep: { subject }, call }) => {
  const { exitCode } = await call;
  await using _server = await closing(serveAgain(subject.node));
  if (exitCode === 0) await subject.requireWhole();
  else await requireNothingOrWhole(subject);
  await succeed(subject, "ADD");
  await subject.requireWhole();
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
  await subject.requireWhole();
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
  const second = await servers.start({ from: "start", step: 1 + (step % 5), when: "after" });
  await second.kill();
  await using _server = await closing(serveAgain(subject.node));
  await requireNothing(subject);
};

async function requireNothingOrWhole(subject: Subject): Promise<void> {
  const whole = subject.requireWhole();
  // What is undone is undone when the server listens, but for what is given back later.
  await whole.catch(async (why: unknown) => {
    await requireNothing(subject).catch((error: unknown) => {
      throw new Error(`It is neither undone nor whole: ${error}; ${why}`);
    });
  });
}

async function succeed(subject: Subject, verb: "ADD" | "DEL"): Promise<void> {
  const { exitCode, text } = await subject.call(verb);
  if (exitCode !== 0) throw new Error(`${verb} failed: ${text}`);
}

async function closing(starting: Promise<CniServer>): Promise<AsyncDisposable> {
  const server = await starting;
  return { [Symbol.asyncDispose]: () => server.close() };
}
