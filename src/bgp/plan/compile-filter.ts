import type { BgpFilter, BgpFilterRule } from "../../api/bgp-filter.ts";
import { type Cidr, cidrVersion, prefixLength } from "../../net/cidr.ts";
import { bitsOf, type IpVersion } from "../../net/ip.ts";
import { sha256 } from "../../net/sha256.ts";
import type { BirdFilter, BirdFilterOperation, BirdFilterRule } from "./bird-filter.ts";
import { type Community, parseCommunity } from "./community.ts";

/**
 * A BGPFilter for BIRD: one filter for each direction and family that it has rules for, so none where a session is to pass it
 * by. Or why no session may come up that names it.
 */
export type CompiledFilter = { readonly filters: readonly BirdFilter[] } | { readonly unusable: string };

/** Throws when an operation or a community of it is none, which the kind's own check has refused before. */
export function compileFilter({ metadata, spec, unreadable }: BgpFilter): CompiledFilter {
  if (unreadable !== undefined) return { unusable: `BGPFilter ${metadata.name} cannot be read: ${unreadable}` };
  const filters = directions
    .filter(({ field }) => spec[field].length > 0)
    .map(({ field, direction, version }) => ({
      name: filterFunctionName(metadata.name, direction, version),
      version,
      direction,
      rules: spec[field].flatMap(compileRule),
    }));
  return { filters };
}

/**
 * What BIRD calls one direction of a filter, as upstream: `bgp_NAME_importFilterV4`. A name that is too long for BIRD's 64
 * characters is cut, and one with a character that BIRD does not take has it replaced; both end in a hash of the whole name.
 */
export function filterFunctionName(name: string, direction: BirdFilter["direction"], version: IpVersion): string {
  return `bgp_${shortName(name)}_${direction}FilterV${version}`;
}

// --- internal ---

const directions = [
  { field: "importV4", direction: "import", version: 4 },
  { field: "exportV4", direction: "export", version: 4 },
  { field: "importV6", direction: "import", version: 6 },
  { field: "exportV6", direction: "export", version: 6 },
] as const;

/** The rule, or nothing when no route can match it. */
function compileRule(rule: BgpFilterRule): readonly BirdFilterRule[] {
  const net = compileNet(rule);
  if (net === "none") return [];
  return [
    {
      net: net === "any" ? undefined : net,
      fromRemotePeers: rule.source === "RemotePeers",
      // An empty name asks for nothing, as upstream.
      interface: rule.interface || undefined,
      peerType: rule.peerType,
      communities: (rule.communities?.values ?? []).map(communityOf),
      asPathPrefix: rule.asPathPrefix,
      priority: rule.priority,
      operations: (rule.operations ?? []).map(compileOperation),
      action: rule.action === "Accept" ? "accept" : "reject",
    },
  ];
}

/** What the network must be: of lengths that leave nothing, BIRD would refuse to hear. */
function compileNet({
  cidr,
  matchOperator,
  prefixLength: given,
}: BgpFilterRule): NonNullable<BirdFilterRule["net"]> | "any" | "none" {
  if (cidr === undefined || matchOperator === undefined) return "any";
  if (matchOperator === "Equal" || matchOperator === "NotEqual") {
    return { cidr, operator: matchOperator, length: undefined };
  }
  const length = given && lengthOf(cidr, given);
  if (length !== undefined && length.min > length.max) return matchOperator === "In" ? "none" : "any";
  return { cidr, operator: matchOperator, length };
}

/** From the network's own length up to a single address, but for what is given (as upstream). */
function lengthOf(cidr: Cidr, { min, max }: NonNullable<BgpFilterRule["prefixLength"]>): { min: number; max: number } {
  const longest = bitsOf(cidrVersion(cidr));
  return { min: Math.max(prefixLength(cidr), min ?? 0), max: Math.min(longest, max ?? longest) };
}

type Operation = NonNullable<BgpFilterRule["operations"]>[number];

function compileOperation({ addCommunity, prependASPath, setPriority }: Operation): BirdFilterOperation {
  if (addCommunity) return { kind: "addCommunity", community: communityOf(addCommunity.value) };
  if (prependASPath) return { kind: "prependAsPath", asNumbers: prependASPath.prefix };
  if (setPriority) return { kind: "setPriority", priority: setPriority.value };
  throw new Error("Cannot compile a BGPFilter: an operation of it is none");
}

/** Throws when it is none, which the kind's own check has refused before. */
function communityOf(text: string): Community {
  const community = parseCommunity(text);
  if (community === undefined) throw new Error(`Cannot read ${JSON.stringify(text)} as a community`);
  return community;
}

/** So long that, with what stands around it, BIRD's 64 characters are full. */
const longestName = 45;
const hashLength = 16;

function shortName(name: string): string {
  const plain = name.replaceAll(/[^A-Za-z0-9_.-]/g, "_");
  if (plain === name && name.length <= longestName) return name;
  return `${plain.slice(0, longestName - hashLength - 1)}_${upperHex(sha256(new TextEncoder().encode(name))).slice(0, hashLength)}`;
}

function upperHex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0").toUpperCase()).join("");
}
