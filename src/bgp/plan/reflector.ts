import type { Node } from "../../api/objects.ts";
import { type Ip, isIp, parseIp, versionOf } from "../../net/ip.ts";
import type { RejectedObject } from "./bird-config.ts";

/** Where a Node says that it is a route reflector, and of which cluster (RFC 4456); upstream's name. */
const reflectorAnnotation = "projectcalico.org/RouteReflectorClusterID";

/** The cluster that a node reflects routes for: four octets in dotted decimal. Undefined: it is no reflector. */
export function reflectorClusterOf({ annotations }: Pick<Node, "annotations">): Ip | undefined {
  const text = annotations[reflectorAnnotation] ?? "";
  return isIp(text) && versionOf(text) === 4 ? parseIp(text) : undefined;
}

/** Says so when a node's cluster ID cannot be read. */
export function rejectedReflector(node: Node): RejectedObject | undefined {
  const text = node.annotations[reflectorAnnotation] ?? "";
  if (text === "" || reflectorClusterOf(node) !== undefined) return undefined;
  const reason = `Cannot read annotation ${reflectorAnnotation}=${JSON.stringify(text)} as a cluster ID such as 244.0.0.1: the node is no route reflector`;
  return { kind: "Node", name: node.name, reason };
}
