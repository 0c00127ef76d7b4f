import type { IpPool, IpPoolSpec } from "../../../src/api/ip-pool.ts";
import { parseIpPool } from "../../../src/api/ip-pool.ts";
import { type IpamConfiguration, parseIpamConfiguration } from "../../../src/api/ipam-configuration.ts";
import type { NodeName } from "../../../src/api/names.ts";
import type { AssignRequest } from "../../../src/ipam/ipam.ts";
import type { Clock } from "../../../src/net/clock.ts";

export const node = "node-1" as NodeName;

/** A pool with every default, and what `spec` says, be it sound or not. */
export function pool(name: string, spec: { readonly cidr: string } & Partial<Omit<IpPoolSpec, "cidr">>): IpPool {
  const { cidr, blockSize, ...others } = spec;
  const sound = parseIpPool({ metadata: { name }, spec: blockSize === undefined ? { cidr } : { cidr, blockSize } });
  return { ...sound, spec: { ...sound.spec, ...others } };
}

/** The cluster's settings, upstream's defaults where `spec` says nothing. */
export function configuration(spec: Partial<IpamConfiguration["spec"]>): IpamConfiguration {
  const defaults = parseIpamConfiguration({ metadata: { name: "default" }, spec: {} });
  return { ...defaults, spec: { ...defaults.spec, ...spec } };
}

/** One IPv4 address for `handle`, and what `more` says. */
export function request(handle: string, more: Partial<AssignRequest> = {}): AssignRequest {
  return { handle, v4: 1, v6: 0, attributes: { pod: handle, namespace: "default" }, ...more };
}

/** A release at the `instantClock`'s time, without cooldown. */
export const cause = { why: "DEL", nowMs: Date.UTC(2026, 10, 21, 10), cooldownSeconds: 0 };

/** A clock whose waits are over at once, in turn. */
export const instantClock: Clock = {
  monotonicNow: () => 0,
  now: () => Date.UTC(2026, 10, 21, 10),
  sleep: async () => {},
  random: () => 0.5,
};
