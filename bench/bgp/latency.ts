/**
 * A block on one machine until the route is in another's kernel, three ways beside one another:
 *
 *     ours         a block in the snapshot ─▶ Bgp ─▶ BIRD ────┐
 *     configure    a block in a file, `configure` ─▶ BIRD ────┼─▶ BIRD ─▶ kernel
 *     netlink      a blackhole route in the kernel ─▶ BIRD ───┘
 */
import { writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { waitFor } from "../../lab/wait.ts";
import { BirdControl } from "../../src/bgp/bird/bird-control.ts";
import { parseCidr } from "../../src/net/cidr.ts";
import type { Figures } from "../report.ts";
import { quantile } from "../statistics.ts";
import { AgentProcess } from "./agent-process.ts";
import { absentNodes } from "./cluster.ts";
import type { Fleet, FleetMember } from "./fleet.ts";
import { nowMs } from "./now.ts";
import { plainBird, plainBlocks } from "./plain-bird.ts";
import { RouteProbe } from "./route-probe.ts";

export interface LatencyOptions {
  /** Sessions of the announcing machine: one with the machine that is looked at, the others with nobody. */
  readonly peers: number;
  /** Blocks that come and go, each way. */
  readonly changes: number;
  readonly signal: AbortSignal;
}

/** The three machines of `fleet` are our node, one with BIRD alone, and the one that is looked at. Their BIRDs are ended at the end. */
export async function measureLatency(fleet: Fleet, options: LatencyOptions): Promise<Figures> {
  const [ours, plain, seen] = fleet.members;
  if (ours === undefined || plain === undefined || seen === undefined)
    throw new Error("Cannot measure with so few machines");
  await using undo = new AsyncDisposableStack();
  undo.defer(() => fleet.stop());
  await startBirds(fleet, { ours, plain, seen }, options.peers);
  const probe = undo.use(new RouteProbe(seen.netns));
  const nodes = [ours, seen, ...absentNodes(options.peers - 1)].map(({ name, address }) => ({ name, address }));
  const { netns, configPath, socketPath } = ours;
  const agent = undo.use(
    await AgentProcess.start({ nodes, netns, configPath, socketPath, runningPath: `${configPath}.running` }),
  );
  const control = undo.use(await BirdControl.connect(plain.socketPath));
  await sessionsUp(plain, options.signal);
  await sessionsUp(ours, options.signal);
  const ways: Readonly<Record<string, Way>> = {
    ours: (verb, cidr) => agent.change({ verb, cidr }),
    configure: (verb, cidr) => byConfigure(verb, cidr, { plain, control }),
    netlink: (verb, cidr) => byNetlink(verb, cidr, plain),
  };
  return figuresOf(await measureWays(ways, probe, options), options.peers);
}

// --- internal ---

type Verb = "new" | "gone";

/** Makes the change; resolves, when it is in force there, with the time just before. */
type Way = (verb: Verb, cidr: string) => Promise<number>;

interface Machines {
  readonly ours: FleetMember;
  readonly plain: FleetMember;
  readonly seen: FleetMember;
}

const warmUp = 5;

async function startBirds(fleet: Fleet, { ours, plain, seen }: Machines, peers: number): Promise<void> {
  const include = includeOf(plain);
  await writeFile(include, plainBlocks("more", []));
  const neighbors = [seen, ...absentNodes(peers - 1)].map(({ address }) => ({ address, waits: true }));
  const texts = new Map([
    // The agent's text comes as soon as it begins.
    [ours, plainBird({ address: ours.address, neighbors: [], blocks: [] })],
    [plain, plainBird({ address: plain.address, neighbors, blocks: [], include })],
    [
      seen,
      plainBird({
        address: seen.address,
        neighbors: [ours, plain].map(({ address }) => ({ address, waits: false })),
        blocks: [],
      }),
    ],
  ]);
  await fleet.start((member) => texts.get(member) ?? "");
  const options = { timeoutMs: 10_000, everyMs: 20 };
  for (const member of texts.keys()) await waitFor("BIRD", options, async () => isAnswering(member));
}

async function isAnswering({ socketPath }: FleetMember): Promise<true> {
  using _ = await BirdControl.connect(socketPath);
  return true;
}

function includeOf({ configPath }: FleetMember): string {
  return `${configPath}.more`;
}

async function sessionsUp({ socketPath, name }: FleetMember, signal: AbortSignal): Promise<void> {
  using control = await BirdControl.connect(socketPath);
  await waitFor(`a session of ${name}`, { timeoutMs: 60_000, everyMs: 50, signal }, async () => {
    const { lines } = await control.command("show protocols");
    return lines.some(({ text }) => text.includes("Established")) || undefined;
  });
}

async function byConfigure(
  verb: Verb,
  cidr: string,
  { plain, control }: { readonly plain: FleetMember; readonly control: BirdControl },
): Promise<number> {
  const at = nowMs();
  // Next to nothing of it is Node's: no more than a shell script would take.
  writeFileSync(includeOf(plain), plainBlocks("more", verb === "new" ? [cidr] : []));
  await control.command("configure");
  return at;
}

async function byNetlink(verb: Verb, cidr: string, { netlink }: FleetMember): Promise<number> {
  const routes = [{ destination: parseCidr(cidr), type: "blackhole", protocol: 4 }] as const;
  const at = nowMs();
  await (verb === "new" ? netlink.replaceRoutes(routes) : netlink.deleteRoutes(routes));
  return at;
}

/** By way and verb, in milliseconds. The ways take turns, so that what else the machine does is everybody's. */
async function measureWays(
  ways: Readonly<Record<string, Way>>,
  probe: RouteProbe,
  { changes, signal }: LatencyOptions,
): Promise<ReadonlyMap<string, readonly number[]>> {
  const times = new Map<string, number[]>();
  for (let round = 0; round < warmUp + changes; round++) {
    for (const [index, [name, change]] of Object.entries(ways).entries()) {
      const cidr = `10.${1 + index}.${round % 250}.0/24`;
      for (const verb of ["new", "gone"] as const) {
        signal.throwIfAborted();
        const [end, begin] = await Promise.all([probe.next(verb, cidr), change(verb, cidr)]);
        const key = `${name} ${verb}`;
        times.set(key, times.get(key) ?? []);
        if (round >= warmUp) times.get(key)?.push(end - begin);
        await sleep(restMs);
      }
    }
  }
  return times;
}

/** Until what is left to do after the route is done, with all that it leaves to be cleared away. */
const restMs = 12;

function figuresOf(times: ReadonlyMap<string, readonly number[]>, peers: number): Figures {
  const at = (key: string, share: number) => quantile(times.get(key) ?? [], share);
  const unit = `${peers}_${peers === 1 ? "peer" : "peers"}_ms`;
  const ways = ["ours", "configure", "netlink"].flatMap((way) => [
    [`route_${way}_p50_${unit}`, at(`${way} new`, 0.5)],
    [`route_${way}_p99_${unit}`, at(`${way} new`, 0.99)],
  ]);
  return {
    ...Object.fromEntries(ways),
    [`route_added_p50_${unit}`]: at("ours new", 0.5) - at("configure new", 0.5),
    [`route_gone_ours_p50_${unit}`]: at("ours gone", 0.5),
    [`route_gone_configure_p50_${unit}`]: at("configure gone", 0.5),
  };
}
