/** Which of a cluster's packets one node can be shown, who sends them there, and where they come out. */
import type { NodeName } from "../../../src/api/names.ts";
import { versionOf } from "../../../src/net/ip.ts";
import { type Crossing, crossingsOf } from "../../oracle/crossings.ts";
import type { Interface } from "../../oracle/interfaces.ts";
import type { Party } from "../../oracle/parties.ts";
import { type Cluster, viewOf } from "../../oracle/random-cluster.ts";
import type { Connection } from "../../oracle/random-packets.ts";
import type { Passage } from "../../oracle/stages.ts";
import { type Exchange, tosOfEth1 } from "./packet-node.ts";
import type { Arrival, Shot } from "./prober.ts";

/** One packet at one node. */
export interface Probe {
  readonly crossing: Crossing;
  readonly connection: Connection;
  readonly from: Pick<Shot, "place" | "device" | "tos">;
  /** Where it comes out, if nothing stops it. */
  readonly to: Pick<Arrival, "place" | "device">;
}

/** The host interface of a pod that the node has not wired. */
export const strangerInterface = "calistranger";

/**
 * Those of the connections that cross the node. No two have the same addresses and ports in whatever order,
 * so that connection tracking takes none for an answer to another.
 */
export function probesOf(cluster: Cluster, node: NodeName, connections: readonly Connection[]): readonly Probe[] {
  const taken = new Set<string>();
  return connections.flatMap((given) => {
    const connection = asKernelSees(given, node);
    const crossings = crossingsOf(cluster, connection).filter(({ passage }) => passage.node === node);
    const tuples = tuplesOf(connection);
    if (crossings.length === 0 || tuples.some((tuple) => taken.has(tuple))) return [];
    for (const tuple of tuples) taken.add(tuple);
    return crossings.map((crossing) => probeOf(cluster, crossing, connection));
  });
}

/** What exchanges the destination of its packets, if anything does. */
export function exchangeOf({ crossing: { passage }, connection }: Probe): Exchange | undefined {
  const { addressedTo, packet } = passage;
  if (addressedTo === undefined || packet.port === undefined) return undefined;
  const { protocol, sourcePort } = connection;
  return {
    ...{ protocol, source: packet.from.ip, to: { ip: packet.to.ip, port: packet.port } },
    ...(sourcePort !== undefined && { sourcePort }),
    addressedTo: { ip: addressedTo.party.ip, ...(addressedTo.port !== undefined && { port: addressedTo.port }) },
  };
}

// --- internal ---

const [icmp, tcp, udp, icmpv6, sctp] = [1, 6, 17, 58, 132];

/** Types that conntrack knows as questions (nf_conntrack_proto_icmp.c, nf_conntrack_proto_icmpv6.c). */
const questions: Readonly<Record<number, readonly number[]>> = { [icmp]: [8, 13, 15, 17], [icmpv6]: [128, 139] };
/** Those that it leaves alone: neighbours and multicast listeners. */
const untrackedTypes = [130, 131, 132, 133, 134, 135, 136, 143];

/** The connection with a state that the kernel finds in its packet. */
function asKernelSees(connection: Connection, node: NodeName): Connection {
  const { from, service } = connection;
  // The kernel routes such a packet anew by its address alone (ip6_route_me_harder).
  const isRerouted = versionOf(from.ip) === 6 && from.node === node && service !== undefined;
  return { ...connection, state: stateOf(connection), ...(isRerouted && { uplink: "eth0" as const }) };
}

function stateOf({ protocol, icmp: message, state, service }: Connection): Connection["state"] {
  if (message !== undefined) {
    const isNew = questions[protocol]?.includes(message.type) ?? false;
    return isNew || (protocol === icmpv6 && untrackedTypes.includes(message.type)) ? "NEW" : "INVALID";
  }
  // Of what is in no connection, no address is exchanged; and others are made known beforehand.
  if (service !== undefined) return "NEW";
  if (state === "INVALID" && (protocol === tcp || protocol === sctp)) return state;
  if (state === "ESTABLISHED" && (protocol === tcp || protocol === udp)) return state;
  return "NEW";
}

/** As conntrack knows it before and after its address is exchanged. ICMP bears a number of its own. */
function tuplesOf({ from, to, protocol, sourcePort, port, icmp: message, service }: Connection): readonly string[] {
  if (message !== undefined) return [];
  const tuple = (party: Party, one: number | undefined) =>
    `${protocol} ${[`${from.ip} ${sourcePort}`, `${party.ip} ${one}`].sort().join(" ")}`;
  return [tuple(to, port), ...(service === undefined ? [] : [tuple(service.party, service.port)])];
}

function probeOf(cluster: Cluster, crossing: Crossing, connection: Connection): Probe {
  const { passage, inInterface, forbidden } = crossing;
  const { in: comesBy, out: goesBy, node } = passage;
  // It is forbidden by the interface that it comes from.
  const isStranger = forbidden !== undefined && crossing.source === undefined;
  const tos = connection.uplink === "eth1" ? tosOfEth1 : 0;
  const outPod = interfaceOf(viewOf(cluster, node).attachment.values(), passage);
  return {
    ...{ crossing, connection },
    from: { tos, ...placeOf(comesBy, isStranger ? strangerInterface : inInterface) },
    to: placeOf(goesBy, outPod),
  };
}

function placeOf(via: Interface | undefined, hostInterface: string): Probe["to"] {
  if (via === undefined) return { place: "node" };
  if (via.kind === "workload") return { place: hostInterface };
  return { place: "world", device: via.name === "eth1" ? "w1" : "w0" };
}

function interfaceOf(
  attachments: Iterable<{ readonly hostInterface: string; readonly addresses: readonly string[] }>,
  { packet }: Passage,
): string {
  return [...attachments].find(({ addresses }) => addresses.includes(packet.to.ip))?.hostInterface ?? "";
}
