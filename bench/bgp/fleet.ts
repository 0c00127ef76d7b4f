/** Many BIRDs on one network, each in a network namespace of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../lab/run.ts";
import { waitFor } from "../../lab/wait.ts";
import type { Netlink } from "../../src/host/netlink/netlink.ts";
import { openNetlink } from "../../src/host/netlink/route-netlink.ts";

/** The one next hop of every machine. */
const router = "169.254.0.1";

/** One machine of the fleet. */
export interface FleetMember {
  readonly name: string;
  readonly address: string;
  readonly netns: string;
  readonly configPath: string;
  readonly socketPath: string;
  /** Of its own namespace. */
  readonly netlink: Netlink;
}

/** `rtm_protocol` of the routes that BIRD writes (rtnetlink(7)). */
const birdProtocol = 12;

/** Disposing of it ends every BIRD and removes every namespace. */
export class Fleet implements AsyncDisposable {
  readonly members: readonly FleetMember[];
  readonly #undo: AsyncDisposableStack;
  readonly #log: string;
  readonly #birds = new Map<FleetMember, ChildProcess>();

  /** So many machines, each behind one router. Rejects, with nothing left behind, when they cannot be made. */
  static async create(size: number): Promise<Fleet> {
    await using undo = new AsyncDisposableStack();
    const folder = await mkdtemp(join(tmpdir(), "margay-fleet-"));
    undo.defer(() => rm(folder, { recursive: true, force: true }));
    const prefix = `mgf-${process.pid}-`;
    const hub = await makeNamespace(`${prefix}hub`, undo);
    await run(["ip", "-n", hub, "link", "set", "lo", "up"]);
    await run(["ip", "netns", "exec", hub, "sysctl", "-qw", "net.ipv4.ip_forward=1"]);
    const members: FleetMember[] = [];
    for (let index = 0; index < size; index++) members.push(await addMember(index, { prefix, hub, folder, undo }));
    return new Fleet(members, join(folder, "log"), undo.move());
  }

  private constructor(members: readonly FleetMember[], log: string, undo: AsyncDisposableStack) {
    this.members = members;
    this.#log = log;
    this.#undo = undo;
  }

  /** Starts the BIRD of each of the first `size` members by the text that it is given. */
  async start(textOf: (member: FleetMember) => string, size = this.members.length): Promise<void> {
    const log = await open(this.#log, "a");
    for (const member of this.members.slice(0, size)) {
      await writeFile(member.configPath, textOf(member), { mode: 0o600 });
      const bird = ["bird", "-f", "-c", member.configPath, "-s", member.socketPath];
      const argv = ["netns", "exec", member.netns, "setpriv", "--pdeathsig", "KILL", ...bird];
      const child = spawn("ip", argv, { stdio: ["ignore", log.fd, log.fd] });
      await once(child, "spawn");
      this.#birds.set(member, child);
    }
    await log.close();
  }

  /** Resolves when every member whose BIRD was started has `count` routes of BIRD's in its main table. */
  async converged(count: number, signal: AbortSignal): Promise<void> {
    const missing = new Set(this.#birds.keys());
    await waitFor(`${count} routes on each machine`, { timeoutMs: 300_000, everyMs: 20, signal }, async () => {
      for (const member of missing) {
        const routes = await member.netlink.routes(4);
        if (routes.filter(({ protocol }) => protocol === birdProtocol).length < count) return undefined;
        missing.delete(member);
      }
      return true;
    });
  }

  /** Ends every BIRD at once, and takes away the routes that they leave. */
  async stop(): Promise<void> {
    for (const child of this.#birds.values()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    }
    const members = [...this.#birds.keys()];
    this.#birds.clear();
    for (const { netlink } of members) {
      await netlink.deleteRoutes((await netlink.routes(4)).filter(({ protocol }) => protocol === birdProtocol));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.#undo.disposeAsync();
  }
}

// --- internal ---

interface Place {
  readonly prefix: string;
  readonly hub: string;
  readonly folder: string;
  readonly undo: AsyncDisposableStack;
}

async function addMember(index: number, { prefix, hub, folder, undo }: Place): Promise<FleetMember> {
  const name = `node-${index + 1}`;
  const netns = await makeNamespace(`${prefix}${name}`, undo);
  const address = `172.18.${1 + Math.floor(index / 250)}.${1 + (index % 250)}`;
  // No shared network: a hundred machines that all know one another's hardware addresses are more than a kernel holds.
  const link = [
    `link add ${name} type veth peer name eth0 netns ${netns}`,
    `address add ${router}/32 dev ${name}`,
    `link set ${name} up`,
    `route add ${address}/32 dev ${name}`,
  ];
  await run(["ip", "-n", hub, "-batch", "-"], { stdin: link.join("\n") });
  const own = [
    "link set lo up",
    `address add ${address}/32 dev eth0`,
    "link set eth0 up",
    `route add default via ${router} dev eth0 onlink`,
  ];
  await run(["ip", "-n", netns, "-batch", "-"], { stdin: own.join("\n") });
  const netlink = openNetlink(`/run/netns/${netns}`);
  undo.defer(() => netlink.close());
  const files = { configPath: join(folder, `${name}.conf`), socketPath: join(folder, `${name}.ctl`) };
  return { name, address, netns, netlink, ...files };
}

async function makeNamespace(name: string, undo: AsyncDisposableStack): Promise<string> {
  await run(["ip", "netns", "add", name]);
  undo.defer(async () => {
    await run(["ip", "netns", "del", name]);
  });
  return name;
}
