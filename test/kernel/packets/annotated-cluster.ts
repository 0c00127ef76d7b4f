import { parseIpPool } from "../../../src/api/ip-pool.ts";
import type { NodeName } from "../../../src/api/names.ts";
import type { Node } from "../../../src/api/objects.ts";
import type { Cluster } from "../../oracle/random-cluster.ts";
import { hostInterfaces } from "../../oracle/random-hosts.ts";
import { nodes } from "../../oracle/random-pods.ts";
import { smallCluster } from "./small-cluster.ts";

/** What else is special of an annotated cluster. */
export interface Special {
  /** As of `smallCluster`. */
  readonly policies?: Readonly<Record<string, object>>;
  /** Of its pools; default: false. */
  readonly natOutgoing?: boolean;
}

/** The networks of its pools: pods' addresses, and more. */
const pools = { "pool-4": "10.0.0.0/16", "pool-6": "fd00::/64" };

/** The small cluster with these annotations on `pod-0`, with pools around its pods' addresses, and its nodes. */
export function annotatedCluster(
  annotations: Readonly<Record<string, string>>,
  { policies = {}, natOutgoing = false }: Special = {},
): Cluster {
  const { snapshot, ...rest } = smallCluster(policies);
  const pods = [...snapshot.pod].map(([key, pod]) => {
    return [key, pod.name === "pod-0" ? { ...pod, annotations } : pod] as const;
  });
  const ipPools = Object.entries(pools).map(([name, cidr]) => {
    return [name, parseIpPool({ metadata: { name }, spec: { cidr, natOutgoing } })] as const;
  });
  const node = new Map(nodes.map((name) => [name, nodeOf(name)]));
  return { ...rest, snapshot: { ...snapshot, pod: new Map(pods), ipPool: new Map(ipPools), node } };
}

// --- internal ---

/** Its first interface has its InternalIPs. */
function nodeOf(name: NodeName): Node {
  const internalIps = hostInterfaces.get(name)?.[0]?.addresses ?? [];
  return { name, labels: {}, annotations: {}, internalIps, podCidrs: [] };
}
