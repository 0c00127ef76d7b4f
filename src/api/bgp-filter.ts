import { z } from "zod";
import { type Cidr, cidrVersion, parseCidr } from "../net/cidr.ts";
import { bitsOf, type IpVersion } from "../net/ip.ts";
import { parseAsNumber } from "./as-number.ts";
import { communityField } from "./community-field.ts";
import { type CustomKind, type Rule, withRules } from "./custom-kind.ts";
import { parseObject } from "./parse-object.ts";
import { type DeepReadonly, objectMetaSchema, type Resource } from "./resource.ts";

/** Longest texts of a network, as upstream bounds them. */
const longestCidr = { 4: 18, 6: 43 } as const;

const networkOfVersion = (version: IpVersion): z.ZodType<Cidr, string> => {
  const rule: Rule<string> = {
    cel: `isCIDR(self) && cidr(self).ip().family() == ${version}`,
    message: `it must be an IPv${version} network with its length`,
    field: "",
    holds: (text) => versionOfCidr(text) === version,
  };
  return withRules(z.string().max(longestCidr[version]), [rule]).transform(parseCidr);
};

/** In a path there is no AS 0 (RFC 7607). */
const pathAsNumber = () =>
  z
    .union([z.int(), z.string()], { error: "it must be an AS number" })
    .transform((value, context): number => {
      const number = parseAsNumber(value);
      if (number !== undefined && number > 0) return number;
      context.addIssue("it must be an AS number, 1 to 4294967295, or in two parts such as 1.10");
      return z.NEVER;
    })
    .meta({ openapi: { "x-kubernetes-int-or-string": true } });

const priority = () => z.int().min(1).max(2_147_483_646);
const atomic = { "x-kubernetes-map-type": "atomic" } as const;

const operationFields = z.object({
  addCommunity: z
    .object({ value: communityField().describe("aa:nn or aa:nn:mm.") })
    .meta(atomic)
    .optional()
    .describe("Gives the route one more community."),
  prependASPath: z
    .object({
      prefix: z.array(pathAsNumber()).min(1).max(10).describe("The AS path then begins with these, in order."),
    })
    .meta(atomic)
    .optional()
    .describe("Makes the route's AS path longer."),
  setPriority: z
    .object({ value: priority().describe("The metric.") })
    .meta(atomic)
    .optional()
    .describe("Sets the route's metric."),
});

const operation = withRules(operationFields, [
  {
    cel: "(has(self.addCommunity) ? 1 : 0) + (has(self.prependASPath) ? 1 : 0) + (has(self.setPriority) ? 1 : 0) == 1",
    message: "exactly one operation must be set",
    field: "",
    holds: (given) => Object.values(given).filter((one) => one !== undefined).length === 1,
  },
]);

const ruleFields = (version: IpVersion) =>
  z.object({
    cidr: networkOfVersion(version)
      .optional()
      .describe("Only routes whose network stands to this one as matchOperator says."),
    matchOperator: z
      .enum(["Equal", "NotEqual", "In", "NotIn"])
      .optional()
      .describe("Equal: the same network; In: the same or one inside. Needs cidr."),
    prefixLength: z
      .object({ min: lengthOf(version, "least"), max: lengthOf(version, "greatest") })
      .meta(atomic)
      .optional()
      .describe("With In and NotIn, how long the route's prefix must be; else from cidr's own length upwards."),
    source: z.enum(["RemotePeers"]).optional().describe("RemotePeers: only routes learned by BGP."),
    interface: z
      .string()
      .max(15)
      .regex(/^[a-zA-Z0-9_.*-]{0,15}$/, { error: "it must be the name of an interface, where * stands for anything" })
      .optional()
      .describe("Only routes that go out by an interface of this name, where * stands for anything."),
    peerType: z
      .enum(["eBGP", "iBGP"])
      .optional()
      .describe("Only with neighbours of another AS (eBGP), or of the same (iBGP)."),
    communities: z
      .object({ values: z.array(communityField()).min(1).max(1).describe("The community.") })
      .meta(atomic)
      .optional()
      .describe("Only routes that carry it."),
    asPathPrefix: z
      .array(pathAsNumber())
      .max(255)
      .default([])
      .meta({ openapi: { type: "array", maxItems: 255, items: { "x-kubernetes-int-or-string": true } } })
      .describe("Only routes whose AS path begins with these."),
    priority: priority().optional().describe("Only routes of this metric."),
    action: z.enum(["Accept", "Reject"]).describe("What becomes of a route that everything above is true of."),
    operations: z
      .array(operation)
      .min(1)
      .max(10)
      .optional()
      .describe("What is changed of a route that is accepted, in order."),
  });

/** One rule of a BGPFilter: everything that is given must be true of a route. */
export type BgpFilterRule = DeepReadonly<z.output<ReturnType<typeof ruleFields>>>;

const ruleRules: readonly Rule<BgpFilterRule>[] = [
  {
    cel: "has(self.cidr) == has(self.matchOperator)",
    message: "cidr and matchOperator must both be set or both be empty",
    field: "",
    holds: ({ cidr, matchOperator }) => (cidr === undefined) === (matchOperator === undefined),
  },
  {
    cel: "!has(self.prefixLength) || has(self.cidr)",
    message: "cidr is required when prefixLength is set",
    field: "",
    holds: ({ prefixLength, cidr }) => prefixLength === undefined || cidr !== undefined,
  },
  {
    cel: "!has(self.operations) || self.action == 'Accept'",
    message: "operations may only be used with action Accept",
    field: "",
    holds: ({ operations, action }) => operations === undefined || action === "Accept",
  },
];

const rulesOf = (version: IpVersion, what: string) =>
  z
    .array(withRules(ruleFields(version), ruleRules as readonly Rule<unknown>[]).meta(atomic))
    .max(1024)
    .default([])
    .describe(`The rules for ${what}. The first that is true of a route decides; if none is, what stands behind does.`);

const spec = z.object({
  exportV4: rulesOf(4, "IPv4 routes that are sent to a neighbour"),
  importV4: rulesOf(4, "IPv4 routes that come from a neighbour"),
  exportV6: rulesOf(6, "IPv6 routes that are sent to a neighbour"),
  importV6: rulesOf(6, "IPv6 routes that come from a neighbour"),
});

/** Rules for the routes of the BGPPeers that name the filter. */
export interface BgpFilterSpec {
  readonly exportV4: readonly BgpFilterRule[];
  readonly importV4: readonly BgpFilterRule[];
  readonly exportV6: readonly BgpFilterRule[];
  readonly importV6: readonly BgpFilterRule[];
}

/** A BGPFilter. One that cannot be read rejects every route, by its rules as they stand in `spec`. */
export interface BgpFilter extends Resource<BgpFilterSpec> {
  /** Why it cannot be read; absent when it can. */
  readonly unreadable?: string;
}

/** What the BGPFilter kind is: its schema, names and rules. */
export const bgpFilter: CustomKind<typeof spec> = {
  kind: "BGPFilter",
  plural: "bgpfilters",
  singular: "bgpfilter",
  shortNames: ["bgpf"],
  aliases: ["bgpfs", "bf", "bfs"],
  description:
    "Which routes are taken from and sent to the BGP neighbours whose BGPPeers name the filter, and how changed.",
  spec,
  columns: [],
  example: {
    exportV4: [{ cidr: "10.244.0.0/16", matchOperator: "In", prefixLength: { min: 24, max: 26 }, action: "Reject" }],
    importV4: [{ peerType: "eBGP", action: "Accept", operations: [{ addCommunity: { value: "64512:100" } }] }],
  },
};

/** Throws InvalidObjectError. */
export function parseBgpFilter(json: unknown): BgpFilter {
  return parseObject(bgpFilter, json);
}

/**
 * What stands for a BGPFilter that cannot be read, for `reason`: one that rejects every route both ways. Were it absent, or
 * without the rules that cannot be read, routes would pass that it may forbid. Undefined when not even its name can be read.
 */
export function closedBgpFilter(json: unknown, reason: string): BgpFilter | undefined {
  const { data } = z.object({ metadata: objectMetaSchema }).safeParse(json);
  if (data === undefined) return undefined;
  return { metadata: data.metadata, spec: rejectsAll, unreadable: reason };
}

// --- internal ---

const all: readonly BgpFilterRule[] = [{ action: "Reject", asPathPrefix: [] }];
const rejectsAll: BgpFilterSpec = { exportV4: all, importV4: all, exportV6: all, importV6: all };

function versionOfCidr(text: string): IpVersion | undefined {
  try {
    return text.includes("/") ? cidrVersion(parseCidr(text)) : undefined;
  } catch {
    return undefined;
  }
}

function lengthOf(version: IpVersion, bound: string) {
  return z.int().min(0).max(bitsOf(version)).optional().describe(`The ${bound} length.`);
}
