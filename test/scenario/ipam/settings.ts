/** What people change, and what it allows: by hand, without the code under test. */
import type { IpPool } from "../../../src/api/ip-pool.ts";
import { parseIpReservation } from "../../../src/api/ip-reservation.ts";
import type { NodeName } from "../../../src/api/names.ts";
import type { Node } from "../../../src/api/objects.ts";
import type { AssignRequest } from "../../../src/ipam/ipam.ts";
import { type Cidr, cidrContainsIp } from "../../../src/net/cidr.ts";
import { type Ip, parseIp } from "../../../src/net/ip.ts";
import { configuration, pool } from "../../unit/ipam/samples.ts";
import type { Setting } from "./network.ts";
import { nodeCount, type PoolChange, type Want } from "./operations.ts";

/** Every node there ever is. */
export const nodes = Array.from({ length: nodeCount }, (_, index) => `node-${index}` as NodeName);

/** The pools as they are made. */
const poolsMade = (isLarge: boolean): readonly IpPool[] => [
  pool("main", { cidr: isLarge ? "10.0.0.0/26" : "10.0.0.0/28", blockSize: 30 }),
  pool("six", { cidr: isLarge ? "2001:db8::/122" : "2001:db8::/124", blockSize: 126 }),
  pool("more", { cidr: "10.0.1.0/29", blockSize: 31 }),
  pool("manual", { cidr: "10.0.2.0/30", blockSize: 31, assignmentMode: "Manual" }),
];

/** How a cluster begins. */
export function firstSetting(isLarge: boolean): Setting {
  return {
    pools: poolsMade(isLarge),
    nodes: nodes.map((name) => nodeOf(name, "a")),
    reservations: [],
    configuration: undefined,
  };
}

/** A node in a zone. */
export function nodeOf(name: NodeName, zone: string): Node {
  return { name, labels: { zone }, annotations: {}, internalIps: [], podCidrs: [] };
}

/** The pools after a change of one. */
export function changedPools(
  { pools, isLarge }: { readonly pools: readonly IpPool[]; readonly isLarge: boolean },
  index: number,
  change: PoolChange,
): readonly IpPool[] {
  const made = poolsMade(isLarge)[index];
  if (made === undefined) return pools;
  const others = pools.filter(({ metadata }) => metadata.name !== made.metadata.name);
  const now = pools.find(({ metadata }) => metadata.name === made.metadata.name);
  if (change === "delete") return others;
  if (change === "create") return now === undefined ? [...others, made] : pools;
  if (now === undefined) return pools;
  // As when it is deleted and made again before everybody has heard of it.
  if (change === "other size") {
    return [...others, { ...now, spec: { ...now.spec, blockSize: made.spec.blockSize * 2 - now.spec.blockSize - 1 } }];
  }
  const spec = {
    ...(change === "disable" || change === "enable" ? { disabled: change === "disable" } : {}),
    ...(change === "zone a" ? { nodeSelector: "zone == 'a'" } : {}),
    ...(change === "all nodes" ? { nodeSelector: "all()" } : {}),
  };
  return [...others, { ...now, spec: { ...now.spec, ...spec } }];
}

/** The cluster's IPAMConfiguration. */
export function configured(strict: boolean, maxBlocks: number, cooldownS: number): Setting["configuration"] {
  return configuration({ strictAffinity: strict, maxBlocksPerHost: maxBlocks, ipCooldownSeconds: cooldownS });
}

/** One reservation of these networks. */
export function reservation(cidrs: readonly string[]): Setting["reservations"] {
  return [parseIpReservation({ metadata: { name: "kept" }, spec: { reservedCIDRs: cidrs } })];
}

/** Whether the blocks of a pool are of the size with which it began. */
export function hasFirstSize({ metadata, spec }: IpPool): boolean {
  return poolsMade(false).some(
    (made) => made.metadata.name === metadata.name && made.spec.blockSize === spec.blockSize,
  );
}

/** What a pod asks for. */
export function requestOf(handle: string, node: NodeName, want: Want): AssignRequest {
  const base = { handle, v4: 0, v6: 0, attributes: { pod: handle, namespace: "default", node } };
  switch (want) {
    case "v4":
      return { ...base, v4: 1 };
    case "v6":
      return { ...base, v6: 1 };
    case "dual":
      return { ...base, v4: 1, v6: 1 };
    case "two":
      return { ...base, v4: 2 };
    case "manual":
      return { ...base, v4: 1, pools: { 4: ["manual"] } };
    case "fixed":
      return { ...base, addresses: [parseIp("10.0.0.9")] };
    case "reserved":
      return { ...base, v6: 1, addresses: [parseIp("10.0.0.5")] };
  }
}

/** Whether settings of these moments let a node give `ip` for this request; each kind of them may be of another moment. */
export function allowedOnce(moments: readonly Setting[], ...wish: readonly [AssignRequest, NodeName, Ip]): boolean {
  return moments.some(({ pools }) =>
    moments.some(({ nodes: known }) =>
      moments.some(({ reservations, configuration: limits }) =>
        allows({ pools, nodes: known, reservations, configuration: limits }, ...wish),
      ),
    ),
  );
}

// --- internal ---

/** Whether one moment's settings let a node give `ip` for this request. */
function allows(setting: Setting, request: AssignRequest, node: NodeName, ip: Ip): boolean {
  const { pools, nodes: known, reservations } = setting;
  const of = pools.find(({ spec }) => cidrContainsIp(spec.cidr, ip));
  if (of === undefined || of.spec.disabled) return false;
  if (request.addresses?.includes(ip)) return true;
  const reserved = reservations.flatMap(({ spec }): readonly Cidr[] => spec.reservedCIDRs);
  if (reserved.some((cidr) => cidrContainsIp(cidr, ip))) return false;
  const asked = Object.values(request.pools ?? {}).flat();
  if (asked.length > 0) return asked.includes(of.metadata.name);
  const zone = known.find(({ name }) => name === node)?.labels["zone"];
  return of.spec.assignmentMode === "Automatic" && (of.spec.nodeSelector === "all()" || zone === "a");
}
