import type { Snapshot } from "../../api/snapshot.ts";
import type { NodePlan } from "../../felix/calc/plan.ts";
import { cidrContainsIp } from "../../net/cidr.ts";
import type { Ip } from "../../net/ip.ts";

/**
 * Whether packets for this endpoint's address get to it on this node: a pod that is attached here, for which Felix has
 * rules in force that are not closed. Before the first pass (`inForce` undefined) an attachment is enough: an earlier
 * agent has brought its rules into force. An address of no pool (a pod of the host's network) is not ours to wire.
 */
export function isWired(
  ip: Ip,
  { attachment, ipPool }: Pick<Snapshot, "attachment" | "ipPool">,
  inForce: NodePlan["endpoints"] | undefined,
): boolean {
  const own = [...attachment.values()].find(({ addresses }) => addresses.includes(ip));
  if (own === undefined) return ![...ipPool.values()].some(({ spec }) => cidrContainsIp(spec.cidr, ip));
  if (inForce === undefined) return true;
  const endpoint = inForce.get(own.hostInterface);
  return endpoint?.state === "open" && endpoint.addresses.includes(ip);
}
