/** Options that ask for all that can be asked for, and a plan that has what they are about. */
import type { EndpointPlan, NodePlan } from "../../../../src/felix/calc/plan.ts";
import { defaultRenderOptions, type RenderOptions } from "../../../../src/felix/render/options.ts";
import { parseCidr } from "../../../../src/net/cidr.ts";
import { parseIp } from "../../../../src/net/ip.ts";
import type { Packet } from "../../../oracle/simulate-rules.ts";
import { hostPlan } from "../host-plan.ts";

/** The interface of the endpoint that has floating addresses and a code point. */
export const floating = "cali0a1b2c3d4e5";

const addresses = [parseIp("192.168.1.1"), parseIp("fd00:1::1")];
const direction = { tiers: [], profile: "allow" } as const;

const endpoint: EndpointPlan = {
  ...{ hostInterface: floating, addresses, state: "open", ingress: direction, egress: direction, dscp: 46 },
  foreignSources: ["198.18.0.0/15", "2001:db8:5::/48", "0.0.0.0/0", "::/0"].map(parseCidr),
  floatingIps: [
    { external: parseIp("203.0.113.10"), internal: parseIp("192.168.1.1") },
    { external: parseIp("203.0.113.9"), internal: parseIp("192.168.1.1") },
    { external: parseIp("2001:db8::10"), internal: parseIp("fd00:1::1") },
  ],
};

/** The plan with host endpoints, whose first workload has floating addresses and a code point; everything is open to it. */
export const floatingPlan: NodePlan = {
  ...hostPlan,
  endpoints: new Map([...hostPlan.endpoints, [floating, endpoint]]),
  hosts: [parseIp("172.16.0.1"), parseIp("fd01::1")],
};

/** Every option in another than its usual form. */
export const otherOptions: RenderOptions = {
  ...defaultRenderOptions,
  endpointToHostAction: "reject",
  denyAction: "reject",
  allowAction: { filter: "return", mangle: "return" },
  hookPlace: "append",
  allowInvalid: true,
  serviceLoop: { action: "reject", networks: ["10.96.0.0/12", "fd96::/112"].map(parseCidr) },
  natOutgoing: {
    address: parseIp("198.51.100.1"),
    ports: { first: 30_000, last: 39_999 },
    interface: "eth+",
    exclusions: "pools-and-hosts",
  },
  floatingIps: true,
  foreignSources: true,
  routes: { metric: { 4: 1024, 6: 1025 }, source: { 4: parseIp("172.16.0.1"), 6: parseIp("fd01::1") } },
  maxSetSize: 65_536,
  logPrefix: "%k %p of %t in the log of the whole node",
  logLimit: { rate: "10/minute", burst: 5 },
};

/** A new connection to port 443. */
export function tcp(source: string, destination: string, said: Partial<Packet> = {}): Packet {
  const ends = { source: parseIp(source), destination: parseIp(destination) };
  return { ...ends, protocol: 6, sourcePort: 40_000, destinationPort: 443, state: "NEW", ...said };
}
