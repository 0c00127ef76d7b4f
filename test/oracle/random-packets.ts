/** Connections between everybody and everybody, by the protocols and ports that a cluster's policies mention. */
import type { RulePort } from "../../src/api/policy-rule.ts";
import { isRejected } from "../../src/api/snapshot.ts";
import { type Ip, type IpVersion, parseIp, versionOf } from "../../src/net/ip.ts";
import type { Party } from "./parties.ts";
import { type Cluster, viewOf } from "./random-cluster.ts";
import { hostInterfaces } from "./random-hosts.ts";
import { nodes, outsideAddresses } from "./random-pods.ts";

/** One connection's first packet, or a later one of it. */
export interface Connection {
  readonly from: Party;
  readonly to: Party;
  /** IANA number. */
  readonly protocol: number;
  readonly sourcePort?: number;
  readonly port?: number;
  readonly icmp?: { readonly type: number; readonly code: number };
  readonly state: "NEW" | "ESTABLISHED" | "INVALID";
  /** A Service's address, or a node's own with one of its ports, that stands for `to`. */
  readonly service?: { readonly party: Party; readonly port: number };
  /** By which of its own interfaces a node is left and entered. */
  readonly uplink: "eth0" | "eth1";
}

/** `count` of them, the same each time. */
export function connectionsOf(cluster: Cluster, count: number): readonly Connection[] {
  const random = numbersFrom(cluster.seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const parties = partiesOf(cluster);
  const mentioned = mentionsOf(cluster);
  return Array.from({ length: count }, (): Connection => {
    const version = pick<IpVersion>([4, 6]);
    const [from, to] = twoOf(parties[version], pick);
    const { ports, icmpTypes } = mentioned;
    const transport = pick<Transport>([...Array<Transport>(7).fill("ports"), "icmp", "icmp", "other"]);
    const sourcePort = pick([...ports.slice(0, 3), 22, 53, 6443, 40_000, 40_001, 40_002]);
    const base = { from, to, uplink: pick(["eth0", "eth1"] as const), state: pick(states) };
    if (transport === "icmp") {
      const icmp = { type: pick(icmpTypes), code: pick([0, 0, 1]) };
      return { ...base, protocol: version === 4 ? 1 : 58, icmp };
    }
    if (transport === "other") return { ...base, protocol: pick([4, 47, 47, 136]) };
    const addressed = { ...base, protocol: pick([6, 6, 6, 17, 17, 132]), sourcePort, port: pick(ports) };
    const service = random() < 0.2 && to.pod !== undefined ? serviceFor(from, to, version) : undefined;
    return service === undefined ? addressed : { ...addressed, service };
  });
}

// --- internal ---

type Transport = "ports" | "icmp" | "other";

const states = [...Array<"NEW">(12).fill("NEW"), "ESTABLISHED", "INVALID"] as const;

/** Mulberry32: numbers from 0 to 1, exclusive. */
function numbersFrom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Two of three are pods. */
function partiesOf(cluster: Cluster): Readonly<Record<IpVersion, readonly Party[]>> {
  const pods: Party[] = nodes
    .flatMap((node) => [...viewOf(cluster, node).attachment.values()])
    .flatMap(({ addresses, pod }) => addresses.map((ip) => ({ ip, pod })));
  const hosts: Party[] = nodes.flatMap((node) =>
    (hostInterfaces.get(node) ?? []).flatMap(({ addresses }) => addresses.map((ip) => ({ ip, node }))),
  );
  const others: Party[] = [...hosts, ...outsideAddresses.map((ip) => ({ ip }))];
  const repeated = Array.from({ length: Math.ceil((2 * others.length) / Math.max(1, pods.length)) }, () => pods).flat();
  const ofVersion = (version: IpVersion) => [...repeated, ...others].filter(({ ip }) => versionOf(ip) === version);
  return { 4: ofVersion(4), 6: ofVersion(6) };
}

/** Two that are not the same pod, nor the same node, and seldom both outside. */
function twoOf(parties: readonly Party[], pick: <T>(list: readonly T[]) => T): readonly [Party, Party] {
  const anyone = pick(parties);
  const from = isOutside(anyone) ? pick(parties) : anyone;
  const isOther = (to: Party) =>
    to.ip !== from.ip &&
    (to.pod === undefined || to.pod !== from.pod) &&
    (to.node === undefined || to.node !== from.node);
  return [from, pick(parties.filter(isOther))];
}

function isOutside({ pod, node }: Party): boolean {
  return pod === undefined && node === undefined;
}

interface Mentions {
  readonly ports: readonly number[];
  readonly icmpTypes: readonly number[];
}

function mentionsOf({ snapshot }: Cluster): Mentions {
  const ports: number[] = [];
  const icmpTypes = [8, 128, 3, 134, 135];
  const addPort = (port: RulePort) => {
    if ("name" in port) ports.push(80, 8080, 53, 81);
    else ports.push(port.first, port.last, port.last + 1);
  };
  for (const policy of [...snapshot.calicoNetworkPolicy.values(), ...snapshot.globalNetworkPolicy.values()]) {
    if (isRejected(policy)) continue;
    for (const { source, destination, icmp, notICMP } of [...policy.spec.ingress, ...policy.spec.egress]) {
      for (const one of [source, destination].flatMap((end) => [...end.ports, ...end.notPorts]).slice(0, 6))
        addPort(one);
      icmpTypes.push(...[icmp?.type, notICMP?.type].filter((type) => type !== undefined));
    }
  }
  for (const policy of snapshot.networkPolicy.values()) {
    if (isRejected(policy)) continue;
    for (const { port, endPort } of [...policy.ingress, ...policy.egress].flatMap((rule) => rule.ports.slice(0, 6))) {
      if (typeof port === "string") addPort({ name: port });
      else if (port !== undefined) addPort({ first: port, last: endPort ?? port });
    }
  }
  return { ports: [...ports, 80, 81, 443, 8080, 53, 22, 179, 4789], icmpTypes };
}

/** From outside, a port of the node that has the pod is not known here: any node's will do, for it is asked where it is. */
function serviceFor(from: Party, to: Party, version: IpVersion): NonNullable<Connection["service"]> | undefined {
  if (from.pod === undefined && from.node === undefined) {
    const ip = hostInterfaces
      .get(nodes[0] ?? ("" as never))?.[0]
      ?.addresses.find((one) => versionOf(one) === versionOf(to.ip));
    return ip === undefined ? undefined : { party: { ip, node: nodes[0] as never }, port: 30_080 };
  }
  return { party: { ip: clusterIps[version] }, port: 443 };
}

const clusterIps: Readonly<Record<IpVersion, Ip>> = { 4: parseIp("10.96.0.1"), 6: parseIp("fd96::1") };
