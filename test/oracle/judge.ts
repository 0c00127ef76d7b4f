/** Compares what the rendered rules do with packets with what the specification says. */
import type { NodeName } from "../../src/api/names.ts";
import type { NodePlan } from "../../src/felix/calc/plan.ts";
import type { DesiredState } from "../../src/felix/render/desired-state.ts";
import { defaultRenderOptions, type RenderOptions } from "../../src/felix/render/options.ts";
import { render } from "../../src/felix/render/render.ts";
import { type Crossing, crossingsOf } from "./crossings.ts";
import type { Cluster } from "./random-cluster.ts";
import { type Connection, connectionsOf } from "./random-packets.ts";
import { nodes } from "./random-pods.ts";
import { forwarded, fromHost, type Outcome, type Packet, toHost } from "./simulate-rules.ts";
import { type Judgement, judge, type Passage } from "./stages.ts";

/** What a node's plan is for a cluster. */
export type Planner = (cluster: Cluster, node: NodeName) => NodePlan;

/** One packet at one node, as both judges see it. */
export interface Trial {
  readonly crossing: Crossing;
  readonly expected: Judgement;
  readonly actual: Outcome;
  readonly agree: boolean;
}

/** How a cluster is tried. */
export interface Trying {
  readonly planner: Planner;
  /** Absent: those of `iptables`. */
  readonly options?: RenderOptions;
  /** Changes what was rendered. */
  readonly spoil?: (state: DesiredState) => DesiredState;
}

/** The defaults for each backend; the same objects each time. */
export const backendOptions: Readonly<Record<RenderOptions["backend"], RenderOptions>> = {
  iptables: defaultRenderOptions,
  nftables: { ...defaultRenderOptions, backend: "nftables" },
};

/** Every trial of the cluster's packets, one by one. */
export function* trialsOf(
  cluster: Cluster,
  { planner, options = backendOptions.iptables, spoil = (state) => state }: Trying,
): Generator<Trial> {
  const rendered = renderedOf(planner)(options)(cluster);
  const states = new Map([...rendered].map(([node, state]) => [node, spoil(state)]));
  for (const expectation of expectationsOf(cluster)) {
    const state = states.get(expectation.crossing.passage.node);
    if (state !== undefined) yield compared(state, expectation);
  }
}

/** The first trial in which the two do not agree. */
export function findDisagreement(cluster: Cluster, trying: Trying): Trial | undefined {
  for (const trial of trialsOf(cluster, trying)) if (!trial.agree) return trial;
  return undefined;
}

/** One packet at a node whose kernel holds the state. */
export function trialOf(state: DesiredState, crossing: Crossing, connection: Connection): Trial {
  return compared(state, { crossing, connection, expected: expectedOf(crossing) });
}

// --- internal ---

interface Expectation {
  readonly crossing: Crossing;
  readonly connection: Connection;
  readonly expected: Judgement;
}

const connectionsPerCluster = 200;

/** What does not depend on what is judged is worked out once for a cluster that is tried many times. */
const expectationsOf = remember((cluster: Cluster): readonly Expectation[] =>
  connectionsOf(cluster, connectionsPerCluster).flatMap((connection) =>
    crossingsOf(cluster, connection).map((crossing) => ({ crossing, connection, expected: expectedOf(crossing) })),
  ),
);

const renderedOf = remember((planner: Planner) =>
  remember((options: RenderOptions) =>
    remember((cluster: Cluster): ReadonlyMap<NodeName, DesiredState> => {
      return new Map(nodes.map((node) => [node, render(planner(cluster, node), options)]));
    }),
  ),
);

function remember<K extends object, V>(work: (key: K) => V): (key: K) => V {
  const known = new WeakMap<K, V>();
  return (key) => {
    const value = known.get(key) ?? work(key);
    known.set(key, value);
    return value;
  };
}

function expectedOf({ forbidden, passage }: Crossing): Judgement {
  if (forbidden === undefined) return judge(passage);
  return { allowed: false, steps: [{ stage: "the node's own protection", verdict: "deny", why: forbidden }] };
}

function compared(state: DesiredState, { crossing, connection, expected }: Expectation): Trial {
  const actual = outcomeOf(state, crossing, connection);
  return { crossing, expected, actual, agree: agrees(expected, actual, crossing.passage) };
}

/**
 * Where everybody who was asked allows a packet, it is accepted; where nobody was asked, it is left to the rules of others. In
 * between it must only not be dropped; so also where a Service's address was exchanged for the node's own packet, which is
 * judged where packets are not accepted.
 */
function agrees({ allowed, steps }: Judgement, { verdict }: Outcome, passage: Passage): boolean {
  if (!allowed) return verdict === "drop";
  if (passage.path === "from the host" && passage.addressedTo !== undefined) return verdict !== "drop";
  const late = steps.filter(({ stage }) => !/^(preDnat|untracked)/.test(stage));
  if (steps.length === 0) return verdict === (isForNode(passage) ? "accept" : "untouched");
  return late.length > 0 && late.every((step) => step.verdict === "allow") ? verdict === "accept" : verdict !== "drop";
}

/** What a workload sends to its node is accepted where policy does not forbid it: `endpointToHostAction`. */
function isForNode({ in: from, path }: Passage): boolean {
  return path === "to the host" && from?.kind === "workload";
}

const everyMark = Object.values(defaultRenderOptions.marks).reduce((all, bit) => all | bit, 0);

function outcomeOf(rendered: DesiredState, crossing: Crossing, connection: Connection): Outcome {
  const { passage, inInterface, source, withoutRaw = false } = crossing;
  const tables = new Map([...rendered.tables].filter(([, { name }]) => name !== "raw"));
  const state = withoutRaw ? { ...rendered, tables } : rendered;
  const { packet: seen, addressedTo } = passage;
  const packet: Packet = {
    source: source ?? seen.from.ip,
    destination: seen.to.ip,
    protocol: seen.protocol,
    state: passage.state,
    // No mark that a packet arrives with may decide anything.
    mark: everyMark,
    uplink: connection.uplink,
    ...(seen.sourcePort !== undefined && { sourcePort: seen.sourcePort }),
    ...(seen.port !== undefined && { destinationPort: seen.port }),
    ...(seen.icmp !== undefined && { icmpType: seen.icmp.type, icmpCode: seen.icmp.code }),
    ...(addressedTo !== undefined && {
      addressedTo: { ip: addressedTo.party.ip, ...(addressedTo.port !== undefined && { port: addressedTo.port }) },
    }),
  };
  switch (passage.path) {
    case "forwarded":
      return forwarded(state, packet, inInterface);
    case "to the host":
      return toHost(state, packet, inInterface);
    case "from the host":
      return fromHost(state, packet);
  }
}
