/** Compares what the rendered rules do with a connection with what the specification says. */
import type { NodeName } from "../../src/api/names.ts";
import type { Attachment, Protocol } from "../../src/api/objects.ts";
import type { NodePlan } from "../../src/felix/calc/plan.ts";
import type { DesiredState } from "../../src/felix/render/desired-state.ts";
import { defaultRenderOptions } from "../../src/felix/render/options.ts";
import { render } from "../../src/felix/render/render.ts";
import { type Ip, versionOf } from "../../src/net/ip.ts";
import { allowed, type Connection, mayEnter, mayLeave, type Party } from "./kubernetes-policy.ts";
import { type Cluster, nodeAddresses, nodes, outsideAddresses, viewOf } from "./random-cluster.ts";
import { forwarded, fromHost, type Outcome, type Packet, toHost, uplink } from "./simulate-rules.ts";

export type Planner = (cluster: Cluster, node: NodeName) => NodePlan;

/** One connection that the rules and the specification see differently. */
export interface Disagreement {
  readonly what: string;
  readonly connection: Connection;
  readonly expected: Outcome["verdict"];
  readonly actual: Outcome["verdict"];
}

/** Tries every pair of ends with each protocol and port; answers the first disagreement. `spoil` changes what was rendered. */
export function findDisagreement(
  cluster: Cluster,
  planner: Planner,
  spoil: (state: DesiredState) => DesiredState = (state) => state,
): Disagreement | undefined {
  const states = new Map(nodes.map((node) => [node, spoil(render(planner(cluster, node), defaultRenderOptions))]));
  for (const connection of connections(cluster)) {
    for (const trial of trialsOf(cluster, states, connection)) {
      if (trial.actual !== trial.expected) return { ...trial, connection };
    }
  }
  return undefined;
}

// --- internal ---

type Trial = Omit<Disagreement, "connection">;
type States = ReadonlyMap<NodeName, DesiredState>;

interface Wired {
  readonly node: NodeName;
  readonly hostInterface: string;
}

const protocolNumbers: Readonly<Record<Protocol, number>> = { TCP: 6, UDP: 17, SCTP: 132 };

const everyMark = Object.values(defaultRenderOptions.marks).reduce((all, bit) => all | bit, 0);

function* connections(cluster: Cluster): Generator<Connection> {
  const pods: Party[] = attachmentsOf(cluster).flatMap(({ attachment }) =>
    attachment.addresses.map((ip) => ({ ip, pod: attachment.pod })),
  );
  const others: Party[] = [...outsideAddresses, ...[...nodeAddresses.values()].flat()].map((ip) => ({ ip }));
  for (const from of [...pods, ...others]) {
    for (const to of [...pods, ...others]) {
      if (versionOf(from.ip) !== versionOf(to.ip) || (from.pod === undefined && to.pod === undefined)) continue;
      if (from.pod === to.pod) continue;
      for (const protocol of ["TCP", "UDP", "SCTP"] as const) {
        for (const port of [80, 81, 82, 83, 375, 443, 444]) yield { from, to, protocol, port };
      }
    }
  }
}

function trialsOf(cluster: Cluster, states: States, connection: Connection): readonly Trial[] {
  const { from, to, protocol, port } = connection;
  const packet: Packet = {
    source: from.ip,
    destination: to.ip,
    protocol: protocolNumbers[protocol],
    sourcePort: 80,
    destinationPort: port,
    state: "NEW",
    // No mark that a packet arrives with may decide anything.
    mark: everyMark,
  };
  const [source, destination] = [wiredAt(cluster, from.ip), wiredAt(cluster, to.ip)];
  const leaves = mayLeave(cluster.snapshot, connection);
  const enters = mayEnter(cluster.snapshot, connection);
  if (source === undefined && destination !== undefined) {
    const state = stateOf(states, destination.node);
    if (nodeOf(from.ip) === destination.node)
      return [trial("from its node", true, fromHost(state, packet), "untouched")];
    return [trial("into the node", enters, forwarded(state, packet, uplink))];
  }
  if (source === undefined) return [];
  const state = stateOf(states, source.node);
  if (nodeOf(to.ip) === source.node) return [trial("to its node", leaves, toHost(state, packet, source.hostInterface))];
  const trials = [unknownInterface(state, packet, source), spoofed(state, packet, source)];
  if (destination?.node === source.node) {
    trials.push(
      trial("within the node", allowed(cluster.snapshot, connection), forwarded(state, packet, source.hostInterface)),
    );
    return trials;
  }
  trials.push(trial("out of the node", leaves, forwarded(state, packet, source.hostInterface)));
  if (destination === undefined) return trials;
  trials.push(trial("into the node", enters, forwarded(stateOf(states, destination.node), packet, uplink)));
  return trials;
}

/** The same packet from an interface with which the node has nothing to do. */
function unknownInterface(state: DesiredState, packet: Packet, source: Wired): Trial {
  const other = `${source.hostInterface}x`;
  return trial("from an unknown interface", false, forwarded(withoutRpf(state), packet, other));
}

/** A packet from the right interface with an address that is not the pod's. */
function spoofed(state: DesiredState, packet: Packet, { hostInterface }: Wired): Trial {
  const source = outsideAddresses.find((ip) => versionOf(ip) === versionOf(packet.source)) ?? packet.destination;
  return trial("with a spoofed source", false, forwarded(state, { ...packet, source }, hostInterface));
}

/** Leaves the anti-spoofing rules out, so that the dispatch chains are seen by themselves. */
function withoutRpf(state: DesiredState): DesiredState {
  return { ...state, tables: new Map([...state.tables].filter(([, table]) => table.name !== "raw")) };
}

function trial(what: string, expected: boolean, outcome: Outcome, ifAllowed: Outcome["verdict"] = "accept"): Trial {
  return { what, expected: expected ? ifAllowed : "drop", actual: outcome.verdict };
}

function attachmentsOf(cluster: Cluster): readonly { readonly node: NodeName; readonly attachment: Attachment }[] {
  return nodes.flatMap((node) =>
    [...viewOf(cluster, node).attachment.values()].map((attachment) => ({ node, attachment })),
  );
}

function wiredAt(cluster: Cluster, ip: Ip): Wired | undefined {
  const found = attachmentsOf(cluster).find(({ attachment }) => attachment.addresses.includes(ip));
  return found && { node: found.node, hostInterface: found.attachment.hostInterface };
}

function nodeOf(ip: Ip): NodeName | undefined {
  return nodes.find((node) => nodeAddresses.get(node)?.includes(ip));
}

function stateOf(states: States, node: NodeName): DesiredState {
  const state = states.get(node);
  if (state === undefined) throw new Error(`Cannot simulate ${node}: it was not rendered`);
  return state;
}
