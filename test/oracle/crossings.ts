/** Which nodes a connection crosses, and by which interfaces. */
import type { NamespacedName, NodeName } from "../../src/api/names.ts";
import { type Ip, versionOf } from "../../src/net/ip.ts";
import type { Interface } from "./interfaces.ts";
import type { Party, Seen } from "./parties.ts";
import { type Cluster, viewOf } from "./random-cluster.ts";
import { hostInterfaces } from "./random-hosts.ts";
import type { Connection } from "./random-packets.ts";
import { nodes, outsideAddresses } from "./random-pods.ts";
import type { Passage } from "./stages.ts";

/** One packet at one node. */
export interface Crossing {
  readonly passage: Passage;
  /** Empty for what the node itself sends. */
  readonly inInterface: string;
  /** Another source than the sender's own. */
  readonly source?: Ip;
  /** Leaves the rules against spoofing out, so that those behind them are seen by themselves. */
  readonly withoutRaw?: boolean;
  /** Why nothing that policy says counts: it must be dropped. */
  readonly forbidden?: string;
}

/** Every node that the connection crosses, in order. From a workload also what it must not be able to do. */
export function crossingsOf(cluster: Cluster, connection: Connection): readonly Crossing[] {
  const [from, to] = [placeOf(cluster, connection.from), placeOf(cluster, connection.to)];
  const way: Way = { cluster, connection, from, to };
  const first = from.node ?? (connection.service?.party.node as NodeName | undefined);
  const crossings = [...new Set([first, to.node].filter((node) => node !== undefined))].map((node) =>
    crossing(way, node),
  );
  // What neither comes from the cluster nor is for it passes through a node all the same.
  if (crossings.length === 0) crossings.push(crossing(way, nodes[0] as NodeName));
  const [own] = crossings;
  return from.pod === undefined || own === undefined ? crossings : [...crossings, ...misdeeds(own)];
}

// --- internal ---

/** Where a party is. */
interface Place {
  readonly node: NodeName | undefined;
  readonly pod?: NamespacedName;
  readonly hostInterface?: string;
}

interface Way {
  readonly cluster: Cluster;
  readonly connection: Connection;
  readonly from: Place;
  readonly to: Place;
}

function placeOf(cluster: Cluster, { ip, pod, node }: Party): Place {
  if (pod === undefined) return { node };
  for (const one of nodes) {
    for (const { addresses, hostInterface } of viewOf(cluster, one).attachment.values()) {
      if (addresses.includes(ip)) return { node: one, pod, hostInterface };
    }
  }
  return { node: undefined };
}

function crossing({ cluster, connection, from, to }: Way, node: NodeName): Crossing {
  const { uplink, service, state } = connection;
  const outside = hostInterface(node, uplink);
  const at = (place: Place): Interface | undefined => {
    if (place.node !== node) return outside;
    return place.pod === undefined ? undefined : { kind: "workload", pod: place.pod };
  };
  const [comesBy, goesBy] = [at(from), at(to)];
  // The first node that a packet gets to exchanges its destination.
  const isFirst = from.node === undefined ? service?.party.node === node : from.node === node;
  const passage: Passage = {
    ...{ snapshot: cluster.snapshot, node, packet: seenOf(connection), state, in: comesBy, out: goesBy },
    path: comesBy === undefined ? "from the host" : goesBy === undefined ? "to the host" : "forwarded",
    ...(service !== undefined && isFirst && { addressedTo: service, firstOut: outside }),
  };
  return { passage, inInterface: comesBy?.kind === "workload" ? (from.hostInterface ?? "") : uplink };
}

/** The same packet from an interface that is no endpoint's, and with an address that is not the sender's. */
function misdeeds({ passage, inInterface }: Crossing): readonly Crossing[] {
  const { packet } = passage;
  // Few: they depend on little.
  if (packet.sourcePort !== 53 || packet.protocol !== 6) return [];
  const source = outsideAddresses.find((ip) => versionOf(ip) === versionOf(packet.from.ip)) ?? packet.to.ip;
  return [
    { passage, inInterface: `${inInterface}x`, withoutRaw: true, forbidden: "the interface is no endpoint's" },
    { passage, inInterface, source, forbidden: "the source is not the workload's" },
  ];
}

function hostInterface(node: NodeName, name: string): Interface & { kind: "host" } {
  const found = hostInterfaces.get(node)?.find((one) => one.name === name);
  return { kind: "host", name, addresses: found?.addresses ?? [] };
}

function seenOf({ from, to, protocol, sourcePort, port, icmp }: Connection): Seen {
  return {
    ...{ from, to, protocol },
    ...(sourcePort !== undefined && { sourcePort }),
    ...(port !== undefined && { port }),
    ...(icmp !== undefined && { icmp }),
  };
}
