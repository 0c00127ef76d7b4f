import { type Cidr, cidrContainsIp, parseCidr } from "../../net/cidr.ts";
import { type Ip, type IpVersion, versionOf } from "../../net/ip.ts";
import { messageOf } from "../../net/message-of.ts";

/** How a node's address is found, as upstream's `IP_AUTODETECTION_METHOD` says it. */
export type DetectionMethod =
  | { readonly kind: "first-found" }
  | { readonly kind: "kubernetes-internal-ip" }
  | { readonly kind: "can-reach"; readonly destination: string }
  | { readonly kind: "interface"; readonly patterns: readonly RegExp[] }
  | { readonly kind: "skip-interface"; readonly patterns: readonly RegExp[] }
  | { readonly kind: "cidr"; readonly cidrs: readonly Cidr[] };

/** An address of an interface of the node that is up. */
export interface Candidate {
  readonly interface: string;
  readonly ip: Ip;
  readonly prefixLength: number;
}

/** What a method may need beside the interfaces. */
export interface DetectionFacts {
  /** In the order of the interfaces' indexes. */
  readonly candidates: readonly Candidate[];
  /** Of the Node object. */
  readonly internalIps: readonly Ip[];
  /** The address from which `can-reach`'s destination is reached, when that is the method. */
  readonly sourceIp: Ip | undefined;
}

/**
 * Reads `first-found`, `kubernetes-internal-ip`, `can-reach=DESTINATION`, `interface=REGEX,…`, `skip-interface=REGEX,…` or
 * `cidr=NETWORK,…`. Throws a sentence for anything else.
 */
export function parseDetectionMethod(text: string): DetectionMethod {
  if (text === "first-found" || text === "kubernetes-internal-ip") return { kind: text };
  const [, kind, value = ""] = /^(can-reach|interface|skip-interface|cidr)=(.+)$/.exec(text) ?? [];
  const parts = value.split(",").map((part) => part.trim());
  if (kind === "can-reach") return { kind, destination: value.trim() };
  if (kind === "interface" || kind === "skip-interface") return { kind, patterns: parts.map(expressionOf) };
  if (kind === "cidr") return { kind, cidrs: parts.map(parseCidr) };
  throw new Error(
    `Cannot detect an address by ${JSON.stringify(text)}: it must be first-found, kubernetes-internal-ip, ` +
      "can-reach=DESTINATION, interface=REGEX, skip-interface=REGEX or cidr=NETWORK",
  );
}

/** The node's address of this version by `method`; undefined when there is none. Link-local and loopback addresses never are. */
export function detectAddress(
  method: DetectionMethod,
  version: IpVersion,
  { candidates, internalIps, sourceIp }: DetectionFacts,
): Candidate | undefined {
  const usable = candidates.filter(({ ip }) => versionOf(ip) === version && isGlobal(ip));
  const named = (ip: Ip) => usable.find((one) => one.ip === ip);
  const physical = usable.filter((one) => !virtualInterface.test(one.interface));
  switch (method.kind) {
    case "first-found":
      return physical[0];
    case "kubernetes-internal-ip": {
      const ip = internalIps.find((one) => versionOf(one) === version);
      // The address may be one that the machine itself does not have, behind a translating router: as upstream, it counts.
      return ip === undefined ? undefined : (named(ip) ?? hostOnly(ip));
    }
    case "can-reach":
      return sourceIp === undefined || !isGlobal(sourceIp) ? undefined : (named(sourceIp) ?? hostOnly(sourceIp));
    case "interface":
      return firstOf(method.patterns, (pattern) => usable.find((one) => pattern.test(one.interface)));
    case "skip-interface":
      return physical.find((one) => !method.patterns.some((pattern) => pattern.test(one.interface)));
    case "cidr":
      return firstOf(method.cidrs, (cidr) => physical.find(({ ip }) => cidrContainsIp(cidr, ip)));
  }
}

/** An address that no interface has, with its full length. */
export function hostOnly(ip: Ip): Candidate {
  return { interface: "", ip, prefixLength: versionOf(ip) === 4 ? 32 : 128 };
}

// --- internal ---

/** Interfaces that containers, tunnels and Service addresses have made: upstream's list. */
const virtualInterface =
  /^(docker|cbr|dummy|podman|virbr|lxcbr|veth|br-|cali|tunl|flannel|kube-ipvs|cni).*$|^(lo|vxlan\.calico|vxlan-v6\.calico|wireguard\.cali|wg-v6\.cali|nodelocaldns)$/;

function isGlobal(ip: Ip): boolean {
  return !/^(127\.|169\.254\.|0\.|fe[89ab]|::1$|::$)/.test(ip);
}

function firstOf<T, R>(items: readonly T[], find: (item: T) => R | undefined): R | undefined {
  for (const item of items) {
    const found = find(item);
    if (found !== undefined) return found;
  }
  return undefined;
}

function expressionOf(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (cause) {
    throw new Error(`Cannot read ${JSON.stringify(text)} as a regular expression: ${messageOf(cause)}`, { cause });
  }
}
