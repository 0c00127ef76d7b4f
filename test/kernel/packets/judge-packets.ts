/** The kernel as judge: a cluster's packets sent through a real node, and what became of them beside the specification. */
import type { NodeName } from "../../../src/api/names.ts";
import type { DesiredState } from "../../../src/felix/render/desired-state.ts";
import type { RenderOptions } from "../../../src/felix/render/options.ts";
import { render } from "../../../src/felix/render/render.ts";
import { explain } from "../../oracle/explain.ts";
import { backendOptions, type Trial, trialOf } from "../../oracle/judge.ts";
import { calculate } from "../../oracle/planners.ts";
import type { Cluster } from "../../oracle/random-cluster.ts";
import type { Connection } from "../../oracle/random-packets.ts";
import { attachmentOf, nodes, podOf } from "../../oracle/random-pods.ts";
import { craftPacket } from "./craft-packet.ts";
import { dataplaneOpeners } from "./dataplane-openers.ts";
import { PacketNode, type PacketPod } from "./packet-node.ts";
import { type Arrival, Prober, type Shot } from "./prober.ts";
import { exchangeOf, type Probe, probesOf, strangerInterface } from "./probes.ts";

/** What the specification, the simulator and the kernel say of one packet. */
export interface Verdict extends Trial {
  readonly probe: Probe;
  /** Where it came out. */
  readonly arrivals: readonly Arrival[];
  /** Whether the kernel did what the specification says. */
  readonly kernelAgrees: boolean;
  /** It had to be sent once more before it arrived. */
  readonly again: boolean;
}

/** How a cluster is judged. */
export interface Judging {
  /** Those that cross the node are tried. */
  readonly connections: readonly Connection[];
  /** Changes what was rendered. */
  readonly spoil?: (state: DesiredState) => DesiredState;
}

/** A node, and the program that sends through it. Random clusters are judged on it one after the other. */
export class PacketJudge implements AsyncDisposable {
  readonly node: PacketNode;
  /** What its rules are rendered with. */
  readonly options: RenderOptions;
  readonly #prober: Prober;
  #number = 0;
  /** What must not arrive, by the numbers of its packets, of this cluster and of those before. */
  readonly #forbidden = new Map<number, Trial>();

  private constructor(node: PacketNode, options: RenderOptions) {
    this.node = node;
    this.options = options;
    this.#prober = new Prober(node.places);
  }

  /** Throws when the kernel cannot give what it takes. */
  static async start(backend: RenderOptions["backend"] = "iptables"): Promise<PacketJudge> {
    const node = await PacketNode.start(nodeName, possiblePods(), dataplaneOpeners[backend]);
    return new PacketJudge(node, backendOptions[backend]);
  }

  /** Whether the simulator takes one of the packets otherwise than the specification does: then the kernel should too. */
  foretells(cluster: Cluster, judging: Judging): boolean {
    return trialsOf(cluster, judging, this.options).tried.some(({ trial }) => !trial.agree);
  }

  /**
   * Applies the cluster's policy and sends its packets. One that should arrive and does not is sent once more. Throws when one
   * that must not arrive at all arrives late.
   */
  async judge(cluster: Cluster, judging: Judging): Promise<readonly Verdict[]> {
    const { state, tried } = trialsOf(cluster, judging, this.options);
    this.#forgetOld();
    await this.node.apply(state);
    this.#prepare(tried);
    const first = await this.#send(tried);
    const lost = tried.filter((one) => one.trial.expected.allowed && first.get(one)?.length === 0);
    const second: Arrivals = lost.length === 0 ? new Map() : await this.#send(lost);
    // With a fault planted, what must not arrive does.
    if (judging.spoil !== undefined) this.#forbidden.clear();
    return tried.map((one) => {
      const arrivals = [...(first.get(one) ?? []), ...(second.get(one) ?? [])];
      const again = second.has(one) && arrivals.length > 0;
      return { ...one.trial, probe: one.probe, arrivals, again, kernelAgrees: kernelAgrees(one, arrivals) };
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#prober[Symbol.dispose]();
    await this.node[Symbol.asyncDispose]();
  }

  #forgetOld(): void {
    for (const number of this.#forbidden.keys())
      if (number < this.#number - stillRemembered) this.#forbidden.delete(number);
  }

  #prepare(tried: readonly Tried[]): void {
    this.node.forgetConnections();
    this.node.exchange(tried.map(({ probe }) => exchangeOf(probe)).filter((one) => one !== undefined));
    for (const { probe } of tried) {
      const { protocol, from, to, sourcePort, port, state } = probe.connection;
      if (state !== "ESTABLISHED" || probe.crossing.forbidden !== undefined) continue;
      if (sourcePort === undefined || port === undefined || (protocol !== 6 && protocol !== 17)) continue;
      this.node.establish(protocol, { ip: from.ip, port: sourcePort }, { ip: to.ip, port });
    }
  }

  async #send(tried: readonly Tried[]): Promise<Arrivals> {
    const numbered = new Map(tried.map((one) => [++this.#number, one]));
    for (const [number, { trial }] of numbered) if (!trial.expected.allowed) this.#forbidden.set(number, trial);
    const shots = [...numbered].map(([number, { probe }]) => shotOf(number, probe));
    const { arrivals, refused } = await this.#prober.send(shots, quietMs);
    for (const [number, error] of refused) {
      const from = numbered.get(number)?.probe.from;
      // So says the node's own OUTPUT, and nobody else.
      if (error === "EPERM" && from?.place === "node") continue;
      throw new Error(`Cannot send a packet from ${JSON.stringify(from)}: the kernel says ${error}`);
    }
    const found = new Map<Tried, Arrival[]>(tried.map((one) => [one, []]));
    for (const arrival of arrivals) {
      const one = numbered.get(arrival.number);
      const late = one === undefined ? this.#forbidden.get(arrival.number) : undefined;
      if (late !== undefined) throw new Error(`A packet that is denied arrives late:\n${explain(late)}`);
      if (one !== undefined) found.get(one)?.push(arrival);
    }
    return found;
  }
}

/** The cluster as YAML that a person can apply, with the packet and the three answers as comments. */
export function explainVerdict(verdict: Verdict): string {
  const { probe, arrivals } = verdict;
  const places = arrivals.map(({ place, device }) => `${place}${device === undefined ? "" : ` by ${device}`}`);
  const { from, to } = probe;
  const sent = `sent from ${from.place}${from.device === undefined ? "" : ` by ${from.device}`} to ${to.place}`;
  const kernel = places.length === 0 ? "it does not arrive" : `it arrives at ${places.join(", ")}`;
  return `# kernel: ${sent}, ${kernel}\n${explain(verdict)}`;
}

// --- internal ---

interface Tried {
  readonly probe: Probe;
  readonly trial: Trial;
}

type Arrivals = ReadonlyMap<Tried, readonly Arrival[]>;

function trialsOf(
  cluster: Cluster,
  { connections, spoil }: Judging,
  options: RenderOptions,
): { readonly state: DesiredState; readonly tried: readonly Tried[] } {
  const rendered = render(calculate(cluster, nodeName), options);
  const state = spoil?.(rendered) ?? rendered;
  const tried = probesOf(cluster, nodeName, connections)
    .map((probe) => ({ probe, trial: trialOf(state, probe.crossing, probe.connection) }))
    .filter(({ trial }) => !isUntrackedService(trial));
  return { state, tried };
}

/** The node whose view is taken. */
const nodeName = nodes[0] as NodeName;

/** Nothing of ours has come for so long: the kernel forwards at once, but others use the machine too. */
const quietMs = 300;

/** Packets of some ten clusters. */
const stillRemembered = 2_000;

/** Everything that `cluster` may have wired, and one that it never has. */
function possiblePods(): readonly PacketPod[] {
  const facts = {
    namespace: "",
    labels: {},
    node: nodeName,
    serviceAccount: "",
    namedPorts: [],
    state: "running" as const,
  };
  const wired = Array.from({ length: mostPods }, (_, index) => attachmentOf(index, podOf(index, facts)));
  const stranger = podOf(mostPods, facts);
  return [...wired, { hostInterface: strangerInterface, addresses: stranger.ips }];
}

/** In a random cluster. */
const mostPods = 6;

/** Its address stays, so that it comes out elsewhere than where policy was asked about. */
function isUntrackedService({ crossing, expected }: Trial): boolean {
  const isUntracked = expected.steps.some(({ stage, verdict }) => stage.startsWith("untracked") && verdict === "allow");
  return isUntracked && crossing.passage.addressedTo !== undefined;
}

function shotOf(number: number, { crossing, connection, from }: Probe): Shot {
  const { packet, addressedTo } = crossing.passage;
  const port = addressedTo === undefined ? packet.port : addressedTo.port;
  const { port: _, ...rest } = packet;
  const bytes = craftPacket({
    source: crossing.source ?? packet.from.ip,
    destination: addressedTo?.party.ip ?? packet.to.ip,
    seen: { ...rest, ...(port !== undefined && { port }) },
    ...{ state: connection.state, tos: from.tos, number },
  });
  return { number, bytes, ...from };
}

function kernelAgrees({ probe: { to }, trial }: Tried, arrivals: readonly Arrival[]): boolean {
  if (!trial.expected.allowed) return arrivals.length === 0;
  return (
    arrivals.length > 0 && arrivals.every(({ place, device }) => place === to.place && (to.device ?? device) === device)
  );
}
