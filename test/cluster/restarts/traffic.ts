import type { Lab } from "../../../lab/cluster.ts";
import { type LabPod, podNetns } from "../../../lab/lab-pods.ts";
import { type NodeLayout, outsideAddresses } from "../../../lab/layout.ts";
import { enterNode } from "../../../lab/node.ts";
import type { PeerFigures, PeerPorts } from "./orders.ts";
import type { Peer, PeerPlace } from "./peer.ts";

/** Where a watched pod echoes. */
export const echoPort = 7000;
/** Where nothing may arrive. */
export const watchedPort = 6000;
const peerPorts: PeerPorts = { echo: [echoPort], watched: [watchedPort] };

/** The traffic of a pod, of this name. */
export function placeOf({ layout }: Lab, pod: LabPod): PeerPlace {
  return placeIn({ layout }, pod.node, { name: pod.name, address: pod.address, netns: podNetns(pod) });
}

/** The traffic of whatever has this network namespace on the node. */
export function placeIn(
  { layout }: Pick<Lab, "layout">,
  node: NodeLayout,
  { name, address, netns }: { readonly name: string; readonly address: string; readonly netns: string },
): PeerPlace {
  const enter = [...enterNode(layout, node), "nsenter", `--net=/run/netns/${netns}`, "--"] as const;
  return { name, address, enter: enter as readonly [string, ...string[]], ports: peerPorts };
}

/** The traffic of the machine outside. */
export function placeOutside({ layout }: Lab): PeerPlace {
  return {
    name: "outside",
    address: outsideAddresses[0],
    enter: ["nsenter", `--net=/run/netns/${layout.client}`, "--"],
    ports: { echo: [], watched: [watchedPort] },
  };
}

/** Has each of these try to reach what it may not. */
export function intrude(pairs: readonly (readonly [Peer, Peer])[]): void {
  for (const [from, all] of Map.groupBy(pairs, ([one]) => one)) {
    const into = all.map(([, to]) => ({ name: to.name, address: to.address, port: watchedPort }));
    from.order({ order: "intrude", into });
  }
}

/** What all of them have done together; of times the longest. */
export async function figuresOf(peers: readonly Peer[]): Promise<PeerFigures> {
  const each = await Promise.all(peers.map((peer) => peer.figures()));
  const sum = (key: keyof PeerFigures) => each.reduce((total, one) => total + one[key], 0);
  return {
    ...{ datagrams: sum("datagrams"), syns: sum("syns"), arrivals: sum("arrivals") },
    ...{ sent: sum("sent"), echoed: sum("echoed"), longestMs: Math.max(...each.map(({ longestMs }) => longestMs)) },
    ...{ renewed: sum("renewed"), late: sum("late"), renewing: sum("renewing") },
  };
}
