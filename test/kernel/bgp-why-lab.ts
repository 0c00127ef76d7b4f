import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { type BgpProbeQuestion, type BgpSide, parseBgpSide } from "../../src/api/bgp-probe.ts";
import type { BirdConfig, Session } from "../../src/bgp/plan/bird-config.ts";
import { planBgp } from "../../src/bgp/plan/plan-bgp.ts";
import { bgpInputs, type ClusterWords, clusterSnapshot, nodeName } from "../unit/bgp/cluster.ts";
import { renderBird } from "../unit/bgp/render-bird.ts";
import { BgpFabric, type FabricHost } from "./bgp-fabric.ts";
import type { BgpWhyAgentOptions } from "./bgp-why-agent.ts";
import { killChild } from "./kill-child.ts";
import { addThreeNodes } from "./three-nodes.ts";

/** What is different on one node from what its objects ask for: of its sessions, by neighbour, and of the whole. */
export interface Overrides {
  readonly sessions?: Readonly<Record<string, Partial<Session>>>;
  readonly router?: Partial<BirdConfig>;
}

/** A fabric of nodes, each with a BIRD and what its agent tells of it. */
export class BgpWhyLab implements AsyncDisposable {
  readonly fabric: BgpFabric;
  readonly hosts: Readonly<Record<string, FabricHost>>;
  readonly #folder: string;
  readonly #agents = new Map<string, Agent>();
  readonly #programs: ChildProcess[] = [];

  static async create(): Promise<BgpWhyLab> {
    const fabric = await BgpFabric.create();
    const hosts = await addThreeNodes(fabric);
    const link = { rack: "rack1", gateway: "172.18.1.1", address: "172.18.1.99/24" };
    const impostor = await fabric.addNode("impostor", hosts.router, link);
    await fabric.ip(hosts["node-1"], "address", "add", "fd00::2/64", "dev", "eth0", "nodad");
    await fabric.ip(hosts["node-2"], "address", "add", "fd00::3/64", "dev", "eth0", "nodad");
    await fabric.ip(impostor, "link", "set", "eth0", "address", "02:00:00:00:00:99");
    return new BgpWhyLab(fabric, { ...hosts, impostor }, await mkdtemp(join(tmpdir(), "margaybgp-why-")));
  }

  private constructor(fabric: BgpFabric, hosts: Readonly<Record<string, FabricHost>>, folder: string) {
    this.fabric = fabric;
    this.hosts = hosts;
    this.#folder = folder;
  }

  /** The nodes whose agent runs. */
  get agents(): readonly string[] {
    return [...this.#agents.keys()];
  }

  hostOf(name: string): FabricHost {
    const host = this.hosts[name];
    if (host === undefined) throw new Error(`Cannot find ${name}`);
    return host;
  }

  /** Configures a node anew: its BIRD starts over, and so does its agent, which has its history on disk only. */
  async begin(node: string, cluster: ClusterWords, { sessions = {}, router = {} }: Overrides = {}): Promise<void> {
    const plan = planBgp(bgpInputs(clusterSnapshot(cluster), nodeName(node)));
    const wanted = plan && { ...overridden(plan, sessions), ...router };
    if (wanted !== undefined) await this.startBird(node, renderBird(wanted));
    await this.startAgent({ node, cluster, wanted, running: wanted });
  }

  /** Has the BIRD of a host start over with this configuration. */
  async startBird(name: string, text: string): Promise<void> {
    const host = this.hostOf(name);
    await writeFile(host.configPath, text);
    await this.fabric.killBird(host);
    await this.fabric.startBird(host);
  }

  /** Starts an agent, in the place of the node's earlier one. */
  async startAgent(options: Omit<BgpWhyAgentOptions, "socketPath" | "folder">): Promise<void> {
    await this.stopAgent(options.node);
    const { netns, socketPath } = this.hostOf(options.node);
    const words = JSON.stringify({ ...options, socketPath, folder: join(this.#folder, options.node) });
    const program = join(import.meta.dirname, "bgp-why-agent.ts");
    const node = [process.execPath, "--disable-warning=ExperimentalWarning", program, words];
    const argv = ["netns", "exec", netns, "setpriv", "--pdeathsig", "KILL", ...node];
    const child = spawn("ip", argv, { stdio: ["pipe", "pipe", "inherit"] });
    const agent = {
      options,
      child,
      lines: createInterface({ input: child.stdout }),
      waiting: [] as ((line: string) => void)[],
    };
    this.#agents.set(options.node, agent);
    await once(agent.lines, "line");
    // Answers come in the order of the questions, also those that nobody waits for any more.
    agent.lines.on("line", (line) => agent.waiting.shift()?.(line));
  }

  /** The agent starts over, and knows what is on disk. */
  async restartAgent(node: string): Promise<void> {
    const agent = this.#agents.get(node);
    if (agent === undefined) throw new Error(`${node} has no agent`);
    await this.startAgent(agent.options);
  }

  async stopAgent(node: string): Promise<void> {
    const agent = this.#agents.get(node);
    this.#agents.delete(node);
    if (agent !== undefined) await killChild(agent.child);
  }

  /** Starts a program of a host's own, which runs until the lab is disposed of; resolves once it has printed something. */
  async runProgram(name: string, ...argv: readonly string[]): Promise<void> {
    const inside = ["netns", "exec", this.hostOf(name).netns, "setpriv", "--pdeathsig", "KILL", ...argv];
    const child = spawn("ip", inside, { stdio: ["ignore", "pipe", "inherit"] });
    this.#programs.push(child);
    await once(child.stdout, "data");
  }

  /** As the query API hands on a question, and as it fails where no agent runs. */
  async ask(node: string, question: BgpProbeQuestion, timeoutMs: number): Promise<BgpSide> {
    const agent = this.#agents.get(node);
    if (agent === undefined) {
      await setTimeout(timeoutMs);
      throw new Error(`Cannot ask the agent of node ${node}: no answer in ${timeoutMs} ms`);
    }
    agent.child.stdin?.write(`${JSON.stringify(question)}\n`);
    const answer = JSON.parse(await new Promise<string>((resolve) => agent.waiting.push(resolve)));
    if (answer.error !== undefined) throw new Error(answer.error);
    return parseBgpSide(answer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.agents.map((name) => this.stopAgent(name)));
    await Promise.all(this.#programs.map(killChild));
    await this.fabric[Symbol.asyncDispose]();
    await rm(this.#folder, { recursive: true });
  }
}

// --- internal ---

interface Agent {
  readonly options: Omit<BgpWhyAgentOptions, "socketPath" | "folder">;
  readonly child: ChildProcess;
  readonly lines: Interface;
  readonly waiting: ((line: string) => void)[];
}

function overridden(config: BirdConfig, overrides: NonNullable<Overrides["sessions"]>): BirdConfig {
  const families = config.families.map((family) => ({
    ...family,
    sessions: family.sessions.map((session) => ({ ...session, ...overrides[session.neighbor] })),
  }));
  return { ...config, families };
}
