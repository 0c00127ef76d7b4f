/** The packets that every state of the node is asked about. */
import type { DesiredState } from "../../../src/felix/render/desired-state.ts";
import { parseIp } from "../../../src/net/ip.ts";
import { forwarded, fromHost, type Packet, toHost } from "../../oracle/simulate-rules.ts";
import { farPod, pods, type SmallPod, uplink } from "./small-world.ts";

/** One packet on its way over the node. */
export interface Trip {
  /** For people: `shop/web → 203.0.113.9 tcp 80`. */
  readonly text: string;
  /** Whose rules it meets: a local pod that sends, a local pod that gets, and the node's own interface. */
  readonly from: SmallPod["name"] | undefined;
  readonly to: SmallPod["name"] | undefined;
  readonly byUplink: boolean;
  /** Its sender is a pod, of this node or another. */
  readonly fromPod: boolean;
  readonly packet: Packet;
  readonly path: "forwarded" | "to the host" | "from the host";
  readonly inInterface: string;
}

/** Addresses that are nobody's: the first of both families is in the samples of network sets. */
export const outside: readonly (readonly [four: string, six: string])[] = [
  ["203.0.113.9", "2001:db8:9::9"],
  ["198.18.0.1", "2001:db8:f::1"],
];

const probes: readonly Pick<Packet, "protocol" | "sourcePort" | "destinationPort" | "icmpType">[] = [
  ...[80, 9999, 8888, 6060, 7777, 5001, 5002].map((port) => ({
    ...{ protocol: 6, sourcePort: 40_000, destinationPort: port },
  })),
  { protocol: 17, sourcePort: 40_000, destinationPort: 5353 },
];

/** Every pair that the node sees, in both families, at every port that somebody decides on and at others. */
export const trips: readonly Trip[] = [0, 1].flatMap((family) => {
  const places = placesOf(family as 0 | 1);
  return places.flatMap((from) =>
    places.filter((to) => to !== from && isSeen(from, to)).flatMap((to) => tripsBetween(from, to, family as 0 | 1)),
  );
});

/** Whether it gets through the node. */
export function passes(state: DesiredState, { packet, path, inInterface }: Trip): boolean {
  switch (path) {
    case "forwarded":
      return forwarded(state, packet, inInterface).verdict !== "drop";
    case "to the host":
      return toHost(state, packet, inInterface).verdict !== "drop";
    case "from the host":
      return fromHost(state, packet).verdict !== "drop";
  }
}

// --- internal ---

interface Place {
  readonly name: string;
  readonly ip: string;
  readonly what: "pod" | "node" | "outside";
  readonly hostInterface: string;
}

function placesOf(family: 0 | 1): readonly Place[] {
  return [
    ...pods.map(({ name, addresses, hostInterface }): Place => {
      return { name, ip: addresses[family], what: "pod", hostInterface };
    }),
    { name: "node", ip: uplink.addresses[family], what: "node", hostInterface: "" },
    ...[farPod.addresses, ...outside].map((both): Place => {
      return { name: both[family], ip: both[family], what: "outside", hostInterface: uplink.name };
    }),
  ];
}

/** What passes by outside it does not see, and its own packets to its pods are nobody's to judge. */
function isSeen(from: Place, to: Place): boolean {
  if (from.what === "node") return to.what === "outside";
  return from.what === "pod" || to.what !== "outside";
}

function tripsBetween(from: Place, to: Place, family: 0 | 1): readonly Trip[] {
  const echo = { protocol: family === 0 ? 1 : 58, icmpType: family === 0 ? 8 : 128 };
  return [...probes, echo].map((probe): Trip => {
    const { protocol, destinationPort = "" } = probe as Packet;
    return {
      text: `${from.name} → ${to.name}, protocol ${protocol} ${destinationPort}`,
      from: from.what === "pod" ? (from.name as SmallPod["name"]) : undefined,
      to: to.what === "pod" ? (to.name as SmallPod["name"]) : undefined,
      byUplink: from.what === "outside" || to.what === "outside",
      fromPod: from.what === "pod" || from.ip === farPod.addresses[family],
      packet: { ...probe, source: parseIp(from.ip), destination: parseIp(to.ip), state: "NEW" },
      path: from.what === "node" ? "from the host" : to.what === "node" ? "to the host" : "forwarded",
      inInterface: from.hostInterface,
    };
  });
}
