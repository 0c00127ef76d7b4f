import { cidrVersion } from "../net/cidr.ts";
import type { IpVersion } from "../net/ip.ts";
import { CniError, cniCode } from "./cni-error.ts";
import type { CniDependencies } from "./dependencies.ts";

/**
 * A network configuration in which `ipam.subnet`, and each `subnet` of `ipam.ranges`, that is one of upstream's words is what
 * `cidrOf` says: `usePodCidr` the node's IPv4 network for pods, `usePodCidrIPv6` its IPv6 one, in letters of any case. The
 * very same text when no word stands there. `conf` must be a JSON object.
 */
export function withPodCidrs(conf: string, cidrOf: (version: IpVersion) => string): string {
  const json = JSON.parse(conf) as Json;
  const { ipam } = json;
  if (!isObject(ipam)) return conf;
  let found = false;
  const replaced = (one: unknown): unknown => {
    if (!isObject(one) || typeof one["subnet"] !== "string") return one;
    const version = words.get(one["subnet"].toLowerCase());
    if (version === undefined) return one;
    found = true;
    return { ...one, subnet: cidrOf(version) };
  };
  const ranges = mapList(ipam["ranges"], (set) => mapList(set, replaced));
  const whole = { ...(replaced(ipam) as Json), ...(ranges === undefined ? {} : { ranges }) };
  return found ? JSON.stringify({ ...json, ipam: whole }) : conf;
}

/** The network of the family that the cluster gave this node for its pods. Throws a `CniError` (11) when it gave none (yet). */
export function podCidrOf(
  { nodes, nodeName }: Pick<CniDependencies, "nodes" | "nodeName">,
  version: IpVersion,
): string {
  const own = nodes().find(({ name }) => name === nodeName);
  const cidr = own?.podCidrs.find((one) => cidrVersion(one) === version);
  if (cidr !== undefined) return cidr;
  const why =
    own === undefined
      ? `the agent does not know Node ${nodeName} yet. Try again`
      : `spec.podCIDRs of Node ${nodeName} has no IPv${version} network. kube-controller-manager gives nodes one when it runs with --allocate-node-cidrs`;
  const word = version === 4 ? "usePodCidr" : "usePodCidrIPv6";
  throw new CniError(cniCode.tryAgainLater, `Cannot use "${word}" of the network configuration: ${why}`);
}

/** As `podCidrOf`, but everything where it is not known: a DEL goes by its container, and only needs a network that can be read. */
export function podCidrOrAny(
  { nodes, nodeName }: Pick<CniDependencies, "nodes" | "nodeName">,
  version: IpVersion,
): string {
  const own = nodes().find(({ name }) => name === nodeName);
  return own?.podCidrs.find((one) => cidrVersion(one) === version) ?? (version === 4 ? "0.0.0.0/0" : "::/0");
}

// --- internal ---

type Json = Readonly<Record<string, unknown>>;

const words: ReadonlyMap<string, IpVersion> = new Map([
  ["usepodcidr", 4],
  ["usepodcidripv6", 6],
]);

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function mapList(value: unknown, each: (one: unknown) => unknown): unknown {
  return Array.isArray(value) ? value.map(each) : value;
}
