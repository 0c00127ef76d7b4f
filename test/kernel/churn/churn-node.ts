import { execFileSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { Registry } from "prom-client";
import { attachmentChange, thisNode } from "../../../bench/policy/cluster.ts";
import { FelixMetrics } from "../../../src/agent/metrics/felix-metrics.ts";
import { NodeFelix } from "../../../src/agent/node-felix.ts";
import type { ToldPass } from "../../../src/agent/pass-report.ts";
import { SnapshotStore } from "../../../src/agent/snapshot-store.ts";
import type { Pod } from "../../../src/api/objects.ts";
import type { Change } from "../../../src/api/snapshot.ts";
import type { FelixSettings } from "../../../src/felix/config/felix-settings.ts";
import type { WorkloadLink } from "../../../src/felix/dataplane/link-faults.ts";
import type { DesiredState } from "../../../src/felix/render/desired-state.ts";
import { systemClock } from "../../../src/host/clock.ts";
import { hostSettings } from "../../../src/host/host-settings.ts";
import { LinuxHost } from "../../../src/host/linux-host.ts";
import { openNetlink } from "../../../src/host/netlink/route-netlink.ts";
import { writeSysctl } from "../../../src/host/sysctl.ts";

/** What its parts have had to say. */
export interface Told {
  /** Lines of the log that are warnings and errors, by their text. */
  readonly problems: Map<string, number>;
  /** The newest errors, as they were logged. */
  errors: readonly string[];
  /** How many pieces of what part were found changed by others, and put right. */
  readonly repaired: Map<string, number>;
  passes: number;
}

/**
 * The node that this process is, all in its own network namespace: Felix with everything that belongs to it, as the agent has
 * it, and interfaces for pods as CNI leaves them.
 */
export class ChurnNode {
  readonly #store = new SnapshotStore();
  readonly #netlink = openNetlink();
  readonly #felix: NodeFelix;
  readonly #registry = new Registry();
  readonly #links = new Map<string, WorkloadLink>();
  readonly told: Told = { problems: new Map(), errors: [], repaired: new Map(), passes: 0 };
  #settings: FelixSettings;
  #state: DesiredState | undefined;

  /** Throws when the namespace's links cannot be made. */
  constructor(settings: FelixSettings) {
    wireHost();
    this.#settings = settings;
    this.#felix = makeFelix(this.#store, {
      registry: this.#registry,
      onLine: (line) => this.#take(line),
      onPass: ({ state }) => {
        this.#state = state;
        this.told.passes++;
      },
      onRepaired: (part, count) => add(this.told.repaired, part, count),
    });
    this.#felix.configure(settings);
  }

  /** What the kernel has acknowledged last. */
  get state(): DesiredState {
    if (this.#state === undefined) throw new Error("Cannot tell what the kernel holds: it holds nothing yet");
    return this.#state;
  }

  get links(): readonly WorkloadLink[] {
    return [...this.#links.values()];
  }

  /** With everything that there is in the beginning. Resolves when the kernel holds it. */
  async begin(changes: readonly Change[]): Promise<void> {
    const applied = this.apply(changes);
    await this.#felix.begin();
    await applied;
  }

  /** All parts see the changes. Resolves when the kernel holds them. */
  apply(changes: readonly Change[]): Promise<void> {
    this.#store.apply(changes);
    return this.#felix.apply(changes);
  }

  configure(settings: FelixSettings): void {
    this.#settings = settings;
    this.#felix.configure(settings);
  }

  /** As ADD does: the interface, its settings, and then policy and routes. */
  async wire(pod: Pod, changes: readonly Change[]): Promise<void> {
    const attachment = attachmentChange(pod);
    if (attachment.kind !== "attachment" || attachment.value === undefined) return;
    const { hostInterface, addresses, mtu } = attachment.value;
    await this.#netlink.createVeth({ name: hostInterface, mtu, peerName: peerOf(hostInterface) });
    for (const { key, value } of hostSettings({ hostInterface, addresses })) writeSysctl(undefined, key, value);
    await this.#netlink.setLink(hostInterface, { up: true });
    await this.#netlink.setLink(peerOf(hostInterface), { up: true });
    this.#links.set(hostInterface, { hostInterface, addresses, mtu });
    await this.apply([...changes, attachment]);
  }

  /** As DEL does; the interface goes by its peer, as with the pod's namespace. */
  async unwire(pod: Pod): Promise<void> {
    const { kind, key } = attachmentChange(pod);
    const hostInterface = [...this.#links.keys()].find((name) => name.endsWith(pod.uid.slice(-10)));
    if (kind !== "attachment" || hostInterface === undefined) return;
    this.#links.delete(hostInterface);
    await this.apply([{ kind, key, value: undefined } as Change]);
    await this.#netlink.deleteLink(peerOf(hostInterface));
    await this.#felix.forgetConnections(pod.ips);
  }

  /** What others ask the agent for: metrics, health, policies in force, and whether a pod's policy is in the kernel. */
  async ask(): Promise<void> {
    await this.#registry.metrics();
    this.#felix.health();
    this.#felix.policiesInForce();
    const [link] = this.#links.keys();
    if (link !== undefined) await this.#felix.policyFaults(link);
  }

  /** What a newcomer that knows the same, and nothing of what was before, would write to the kernel: nothing, if all is well. */
  async writesOfNewcomer(): Promise<readonly string[]> {
    const lines: string[] = [];
    const felix = makeFelix(this.#store, { registry: new Registry(), onLine: (line) => lines.push(line) });
    felix.configure(this.#settings);
    const applied = felix.apply(allOf(this.#store));
    await felix.begin();
    await applied;
    // What nothing uses goes in a pass that follows.
    await sleep(500);
    await felix.stop();
    return lines.filter((line) => /"written":\{"/.test(line) || /"differences":/.test(line) || isError(line));
  }

  /** Ends all that is this process's. */
  async stop(): Promise<void> {
    await this.#felix.stop();
    this.#netlink.close();
  }

  #take(line: string): void {
    if (!isProblem(line)) return;
    const { msg, level } = JSON.parse(line) as { readonly msg: string; readonly level: number };
    add(this.told.problems, msg, 1);
    if (level >= 50) this.told.errors = [...this.told.errors, line.slice(0, 1500)].slice(-3);
  }
}

// --- internal ---

interface Listeners {
  readonly registry: Registry;
  readonly onLine: (line: string) => void;
  readonly onPass?: (pass: ToldPass) => void;
  readonly onRepaired?: (part: string, count: number) => void;
}

function makeFelix(store: SnapshotStore, { registry, onLine, onPass, onRepaired }: Listeners): NodeFelix {
  const metrics = new FelixMetrics(registry);
  return new NodeFelix({
    ...{ node: thisNode, snapshot: store.snapshot, host: new LinuxHost(), clock: systemClock, registry },
    logger: pino({}, { write: onLine }),
    metrics: {
      ...{
        received: metrics.received,
        failed: metrics.failed,
        called: metrics.called,
        waitedForLock: metrics.waitedForLock,
      },
      applied: (pass) => {
        metrics.applied(pass);
        onPass?.(pass);
      },
      repaired: (part, count) => {
        metrics.repaired(part, count);
        onRepaired?.(part, count);
      },
    },
    sync: () => "in sync",
    podsToCome: () => 0,
  });
}

/** `eth0`, which is the node's, and its far end `peer0`. */
function wireHost(): void {
  const ip = (...argv: readonly string[]) => execFileSync("ip", argv);
  ip("link", "set", "lo", "up");
  ip("link", "add", "eth0", "type", "veth", "peer", "name", "peer0");
  for (const name of ["eth0", "peer0"]) ip("link", "set", name, "up");
  ip("addr", "add", "10.128.0.0/24", "dev", "eth0");
}

function peerOf(hostInterface: string): string {
  return hostInterface.replace("cali", "p");
}

function allOf({ snapshot }: SnapshotStore): readonly Change[] {
  return Object.entries(snapshot).flatMap(([kind, objects]) =>
    [...(objects as ReadonlyMap<string, unknown>)].map(([key, value]) => ({ kind, key, value }) as Change),
  );
}

/** pino's levels: 40 is a warning, 50 an error. */
function isProblem(line: string): boolean {
  return line.startsWith('{"level":40,') || isError(line);
}

function isError(line: string): boolean {
  return line.startsWith('{"level":50,');
}

function add(counts: Map<string, number>, key: string, count: number): void {
  counts.set(key, (counts.get(key) ?? 0) + count);
}
