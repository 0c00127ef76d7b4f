import { hostAffinity } from "../../api/ipam-block.ts";
import type { NodeName } from "../../api/names.ts";
import type { Node } from "../../api/objects.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import { type Cidr, cidrVersion } from "../../net/cidr.ts";
import type { Ip } from "../../net/ip.ts";
import type { Session } from "./bird-config.ts";
import { addressOf, nodesByAddress } from "./node-address.ts";
import { topologyHash } from "./topology-hash.ts";

/** On a Node: how far it has come with a change of sessions, as `formatProgress` writes it. */
export const settledAnnotation = "bgp.margay.io/settled";

/** How far a node has come. */
export interface NodeProgress {
  /** The topology for which everything arrives by sessions that are wanted; undefined: something does not yet. */
  readonly settled: string | undefined;
  /** It still keeps what is no longer wanted, and waits for others: whoever sees this says how far it is itself. */
  readonly keeps: boolean;
}

/** The annotation's text: `HASH`, `HASH keeping` or `keeping`; undefined: the annotation is not to be there. */
export function formatProgress({ settled, keeps }: NodeProgress): string | undefined {
  const words = [settled, keeps ? "keeping" : undefined].filter((word) => word !== undefined);
  return words.length === 0 ? undefined : words.join(" ");
}

/** Reads any text; what nobody writes settles nothing. */
export function parseProgress(text: string | undefined): NodeProgress {
  const words = (text ?? "").split(" ");
  const settled = words.find((word) => word !== "keeping" && word !== "");
  return { settled, keeps: words.includes("keeping") };
}

/**
 * What is known of a session's other end. `gone`: no such node is there any more; `foreign`: no node of the cluster, which tells
 * nothing of itself; `settled`: it needs the session no longer.
 */
type NeighborProgress = "gone" | "foreign" | "settled" | "unsettled";

/** What a transition asks of the cluster. */
export interface ClusterProgress {
  /** Of the topology that the snapshot asks for. */
  readonly hash: string;
  /** What this node itself has written down, as the API server has confirmed it. */
  readonly own: NodeProgress;
  /** Some other node keeps what it no longer wants, and waits. */
  readonly othersKeep: boolean;
  readonly progressOf: (session: Session) => NeighborProgress;
  /** The address of the node that a network belongs to: one whose block it is. */
  readonly ownerOf: (prefix: Cidr) => Ip | undefined;
}

/** Reads the Nodes' progress. What it takes is worked out when it is first asked for. */
export function clusterProgress(snapshot: Snapshot, self: NodeName): ClusterProgress {
  const hash = once(() => topologyHash(snapshot));
  const nodes = once(() => nodesByAddress(snapshot.node.values()));
  const owners = once(() => ownersOfBlocks(snapshot));
  return {
    get hash() {
      return hash();
    },
    own: progressOfNode(snapshot.node.get(self)),
    othersKeep: [...snapshot.node.values()].some((node) => node.name !== self && progressOfNode(node).keeps),
    progressOf({ kind, neighbor }) {
      if (kind === "workload") return "gone";
      const node = nodes().get(neighbor);
      if (node === undefined) return kind === "mesh" ? "gone" : "foreign";
      return progressOfNode(node).settled === hash() ? "settled" : "unsettled";
    },
    ownerOf: (prefix) => owners().get(prefix),
  };
}

// --- internal ---

function once<T extends object | string>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

function progressOfNode(node: Node | undefined): NodeProgress {
  return parseProgress(node?.annotations[settledAnnotation]);
}

/** The address of each block's node. */
function ownersOfBlocks({ ipamBlock, node }: Pick<Snapshot, "ipamBlock" | "node">): ReadonlyMap<Cidr, Ip> {
  const byAffinity = new Map([...node.values()].map((one) => [hostAffinity(one.name), one]));
  const owners = new Map<Cidr, Ip>();
  for (const { spec } of ipamBlock.values()) {
    const owner = spec.affinity && byAffinity.get(spec.affinity);
    const ip = owner && addressOf(owner, cidrVersion(spec.cidr));
    if (ip) owners.set(spec.cidr, ip);
  }
  return owners;
}
