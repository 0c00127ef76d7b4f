import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { vi } from "vitest";
import { Bgp } from "../../src/agent/bgp/bgp.ts";
import { RunningConfig } from "../../src/agent/bgp/running-config.ts";
import type { KindName, Snapshot } from "../../src/api/snapshot.ts";
import { BirdDaemon } from "../../src/bgp/bird/bird-daemon.ts";
import { readBirdStatus } from "../../src/bgp/bird/read-bird-status.ts";
import type { Secret } from "../../src/bgp/plan/bgp-inputs.ts";
import { settledAnnotation } from "../../src/bgp/plan/transition-progress.ts";
import { systemClock } from "../../src/host/clock.ts";
import { LinuxHost } from "../../src/host/linux-host.ts";
import { type ClusterWords, clusterSnapshot, nodeName } from "../unit/bgp/cluster.ts";
import { BgpFabric, type FabricHost } from "./bgp-fabric.ts";
import type { Flow } from "./udp-streams.ts";

const wrapper = join(import.meta.dirname, "..", "..", "lab", "bird.sh");

/** What a cluster is besides its nodes, which are there anyway. */
export interface ClusterChange extends Omit<ClusterWords, "nodes"> {
  /** Names of nodes → annotations. */
  readonly annotations?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly labels?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/**
 * Nodes in one rack, each with a pod's address, a supervised BIRD as its container would run it, and an agent's BGP part, all
 * seeing one snapshot as they would see an API server's: what one writes on its Node all others are told of.
 */
export class BgpCluster implements AsyncDisposable {
  readonly #fabric: BgpFabric;
  readonly #nodes = new Map<string, ClusterNode>();
  readonly #snapshot: Snapshot;
  #secrets: ReadonlyMap<string, Secret> = new Map();
  readonly log: string[] = [];

  static async create(count: number, change: ClusterChange = {}): Promise<BgpCluster> {
    const fabric = await BgpFabric.create();
    const router = await fabric.addRouter({ rack1: "172.18.1.1/24" });
    const cluster = new BgpCluster(fabric, count, change);
    for (let index = 1; index <= count; index++) {
      const name = `node-${index}`;
      const link = { rack: "rack1", address: `${addressOf(index)}/24`, gateway: "172.18.1.1" };
      const host = await fabric.addNode(name, router, link);
      await fabric.ip(host, "address", "add", `${podOf(index)}/32`, "dev", "lo");
      cluster.#nodes.set(name, await cluster.#node(name, host));
    }
    return cluster;
  }

  private constructor(fabric: BgpFabric, count: number, change: ClusterChange) {
    this.#fabric = fabric;
    this.#snapshot = clusterSnapshot(wordsOf(count, change));
  }

  /** Every agent and every BIRD. */
  async start(): Promise<void> {
    for (const { bgp } of this.#nodes.values()) bgp.begin();
    for (const node of this.#nodes.values()) node.supervise();
    await this.settled();
  }

  get names(): readonly string[] {
    return [...this.#nodes.keys()];
  }

  node(name: string): ClusterNode {
    const node = this.#nodes.get(name);
    if (node === undefined) throw new Error(`there is no ${name}`);
    return node;
  }

  /** The flow between the pods of two nodes. */
  flow(from: number, to: number): Flow {
    const netns = (index: number) => this.node(`node-${index}`).host.netns;
    return { fromNetns: netns(from), toNetns: netns(to), from: podOf(from), to: podOf(to) };
  }

  /** The cluster is to be so; the agents are told one after the other, as watches do, `everyMs` apart. */
  async change(change: ClusterChange, everyMs = 20): Promise<void> {
    const next = clusterSnapshot(wordsOf(this.#nodes.size, change));
    refill(this.#snapshot.bgpPeer, next.bgpPeer);
    refill(this.#snapshot.bgpConfiguration, next.bgpConfiguration);
    for (const [name, node] of next.node) {
      const settled = this.#snapshot.node.get(name)?.annotations[settledAnnotation];
      const annotations = { ...node.annotations, ...(settled !== undefined && { [settledAnnotation]: settled }) };
      mutable(this.#snapshot.node).set(name, { ...node, annotations });
    }
    await this.#tell(["node", "bgpPeer", "bgpConfiguration"], everyMs);
  }

  /** The Secrets are to be so. */
  async changeSecrets(secrets: Readonly<Record<string, string>>, everyMs = 20): Promise<void> {
    this.#secrets = new Map(Object.entries(secrets).map(([name, text]) => [name, { text }]));
    await this.#tell([], everyMs);
  }

  /** Every agent has come to what it wants, and every session of every BIRD is established. */
  async settled(): Promise<void> {
    await vi.waitFor(
      async () => {
        for (const { bgp, host } of this.#nodes.values()) {
          if (!bgp.isConfigured) throw new Error(`${host.name} is not configured`);
          if (bgp.pending.length > 0) throw new Error(`${host.name}: ${bgp.pending.join("; ")}`);
          const { sessions, isRecovering } = await readBirdStatus(host.socketPath);
          const down = sessions.filter(({ state }) => state !== "Established");
          if (isRecovering || down.length > 0) throw new Error(`${host.name}: ${down.map(({ name }) => name)} is down`);
        }
      },
      { timeout: 90_000, interval: 200 },
    );
  }

  /** The sessions of a node's BIRD by name, and since when each stands. */
  async sessions(name: string): Promise<ReadonlyMap<string, string>> {
    const { sessions } = await readBirdStatus(this.node(name).host.socketPath);
    return new Map(sessions.map((session) => [session.name, session.since]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#nodes.values()].map((node) => node.end()));
    await this.#fabric[Symbol.asyncDispose]();
  }

  async #tell(kinds: readonly KindName[], everyMs: number): Promise<void> {
    for (const { bgp } of this.#nodes.values()) {
      if (kinds.length === 0) bgp.touch();
      else bgp.touched(new Set(kinds));
      await sleep(everyMs);
    }
  }

  #node(name: string, machine: FabricHost): Promise<ClusterNode> {
    const folder = join(dirname(machine.configPath), name);
    const host = { ...machine, configPath: join(folder, "bird.conf"), socketPath: join(folder, "bird.ctl") };
    return ClusterNode.create(host, {
      snapshot: this.#snapshot,
      secrets: () => this.#secrets,
      log: this.log,
      annotate: (value) => this.#annotate(name, value),
    });
  }

  /** As the API server would: it takes a while, and then everybody is told. */
  #annotate(name: string, value: string | undefined): void {
    setTimeout(() => {
      const node = this.#snapshot.node.get(nodeName(name));
      if (node === undefined || node.annotations[settledAnnotation] === value) return;
      const { [settledAnnotation]: _, ...others } = node.annotations;
      const annotations = value === undefined ? others : { ...others, [settledAnnotation]: value };
      mutable(this.#snapshot.node).set(node.name, { ...node, annotations });
      for (const { bgp } of this.#nodes.values()) bgp.touched(new Set(["node"]));
    }, 30);
  }
}

interface NodeParts {
  readonly snapshot: Snapshot;
  readonly secrets: () => ReadonlyMap<string, Secret>;
  readonly log: string[];
  readonly annotate: (value: string | undefined) => void;
}

/** One node's agent and BIRD. */
export class ClusterNode {
  readonly host: FabricHost;
  bgp: Bgp;
  readonly #parts: NodeParts;
  #child: ChildProcess | undefined;
  #isEnding = false;
  #supervision: Promise<void> | undefined;
  /** Resolves when a stopped container may start again. */
  #gate: Promise<void> = Promise.resolve();

  static async create(host: FabricHost, parts: NodeParts): Promise<ClusterNode> {
    await mkdir(dirname(host.configPath));
    return new ClusterNode(host, parts);
  }

  private constructor(host: FabricHost, parts: NodeParts) {
    this.host = host;
    this.#parts = parts;
    this.bgp = this.#agent();
  }

  /** The agent ends, and another one takes its place that knows only what is on disk. */
  async restartAgent(): Promise<void> {
    await this.bgp.stop();
    this.bgp = this.#agent();
    this.bgp.begin();
  }

  /** BIRD runs, and is started again half a second after its end, as supervisors do. */
  supervise(): void {
    this.#supervision ??= this.#supervise();
  }

  /** To the container's first process. */
  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** As kubelet stops a container: its preStop command, SIGTERM, a grace period, SIGKILL; then it is started again. */
  async stopAsKubelet({ preStop }: { readonly preStop: boolean }): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#gate = promise;
    const child = this.#child;
    if (preStop) await this.#run("birdc", "-s", this.host.socketPath, "graceful", "restart").catch(() => undefined);
    child?.kill("SIGTERM");
    await sleep(1_000);
    child?.kill("SIGKILL");
    resolve();
  }

  async end(): Promise<void> {
    this.#isEnding = true;
    await this.bgp.stop();
    this.#child?.kill("SIGKILL");
    await this.#supervision;
  }

  #agent(): Bgp {
    const { snapshot, secrets, log, annotate } = this.#parts;
    const { name, configPath, socketPath } = this.host;
    const write = (line: string) => log.push(`${name} ${line.trim()}`);
    const logger = pino({ base: null }, { write });
    const host = new LinuxHost();
    const path = join(dirname(configPath), "running.json");
    return new Bgp({
      ...{ node: nodeName(name), snapshot, clock: systemClock, logger },
      daemon: new BirdDaemon({ host, socketPath, configPath }),
      running: new RunningConfig({ host, path, configPath, logger }),
      inputs: async () => ({ secrets: secrets(), deliverable: new Set(), isDraining: false }),
      writeSettled: annotate,
    });
  }

  async #supervise(): Promise<void> {
    const log = await open(join(dirname(this.host.configPath), "bird.log"), "a");
    while (!this.#isEnding) {
      const argv = ["netns", "exec", this.host.netns, "setpriv", "--pdeathsig", "KILL", wrapper];
      const child = spawn("ip", [...argv, dirname(this.host.configPath)], { stdio: ["ignore", log.fd, log.fd] });
      this.#child = child;
      await once(child, "exit");
      if (!this.#isEnding) await sleep(500);
      await this.#gate;
    }
    await log.close();
  }

  async #run(file: string, ...argv: readonly string[]): Promise<void> {
    await new LinuxHost().run(["ip", "netns", "exec", this.host.netns, file, ...argv]);
  }
}

// --- internal ---

function wordsOf(count: number, { annotations, labels, ...words }: ClusterChange): ClusterWords {
  const indexes = Array.from({ length: count }, (_, index) => index + 1);
  const nodes = indexes.map((index) => {
    const name = `node-${index}`;
    return [name, { ips: [addressOf(index)], annotations: annotations?.[name] ?? {}, labels: labels?.[name] ?? {} }];
  });
  const blocks = indexes.map((index) => [`192.168.${index}.0/26`, `host:node-${index}`]);
  const own = { nodes: Object.fromEntries(nodes), blocks: Object.fromEntries(blocks) };
  return { pools: { "192.168.0.0/16": {} }, ...own, ...words };
}

function addressOf(index: number): string {
  return `172.18.1.${index + 1}`;
}

function podOf(index: number): string {
  return `192.168.${index}.9`;
}

function mutable<K, V>(map: ReadonlyMap<K, V>): Map<K, V> {
  return map as Map<K, V>;
}

function refill<K, V>(map: ReadonlyMap<K, V>, next: ReadonlyMap<K, V>): void {
  mutable(map).clear();
  for (const [key, value] of next) mutable(map).set(key, value);
}
