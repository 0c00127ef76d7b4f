/** What a BGPFilter is to do with real routes: see `bgp-filters.test.ts`. */

/** One session with a filter. */
export interface FilterCase {
  readonly name: string;
  /** Each list is a BGPFilter of its own, in order. */
  readonly filters: readonly (readonly object[])[];
  /** The neighbour is of another AS. */
  readonly external?: boolean;
  /** Of all routes that would pass: those that do not. */
  readonly rejected?: readonly string[];
  /** What is changed of those that do. */
  readonly changed?: Readonly<Record<string, object>>;
}

/** What the neighbour announces, with the attributes as BIRD's language has them. Priority 512 is 2147483135 on the wire. */
export const announced = {
  "10.1.0.0/16": "",
  "10.1.2.0/24": "",
  "10.1.2.128/25": "",
  "10.2.0.0/16": "bgp_community.add((65000, 100));",
  "10.2.1.0/24": "bgp_large_community.add((65000, 100, 1));",
  "10.3.0.0/16": "bgp_path.prepend(65002); bgp_path.prepend(65001);",
  "10.3.1.0/24": "bgp_path.prepend(65002);",
  "10.4.0.0/16": "bgp_local_pref = 2147483135;",
  "10.5.0.0/16": "bgp_community.add((65535, 0));",
} as const;

type Announced = keyof typeof announced;
const all = Object.keys(announced) as readonly Announced[];
const but = (...some: readonly Announced[]) => all.filter((net) => !some.includes(net));
const reject = (match: object) => [[{ ...match, action: "Reject" }]];
const accept = (match: object, operations: readonly object[]) => [[{ ...match, action: "Accept", operations }]];
const inside = { cidr: "10.1.0.0/16", matchOperator: "In" };
const outside = { cidr: "10.1.0.0/16", matchOperator: "NotIn" };

/** What is matched shows by what is rejected. */
export const importCases: readonly FilterCase[] = [
  { name: "no filter", filters: [] },
  { name: "a filter of no rules", filters: [[]] },
  { name: "everything", filters: reject({}), rejected: all },
  { name: "Equal", filters: reject({ ...inside, matchOperator: "Equal" }), rejected: ["10.1.0.0/16"] },
  { name: "NotEqual", filters: reject({ ...inside, matchOperator: "NotEqual" }), rejected: but("10.1.0.0/16") },
  { name: "In", filters: reject(inside), rejected: ["10.1.0.0/16", "10.1.2.0/24", "10.1.2.128/25"] },
  { name: "NotIn", filters: reject(outside), rejected: but("10.1.0.0/16", "10.1.2.0/24", "10.1.2.128/25") },
  {
    name: "In, of a length",
    filters: reject({ ...inside, prefixLength: { min: 24, max: 24 } }),
    rejected: ["10.1.2.0/24"],
  },
  {
    name: "In, at least so long",
    filters: reject({ ...inside, prefixLength: { min: 24 } }),
    rejected: ["10.1.2.0/24", "10.1.2.128/25"],
  },
  { name: "In, at most so long", filters: reject({ ...inside, prefixLength: { max: 20 } }), rejected: ["10.1.0.0/16"] },
  {
    name: "NotIn, of a length",
    filters: reject({ ...outside, prefixLength: { min: 24, max: 24 } }),
    rejected: but("10.1.2.0/24"),
  },
  { name: "In, of lengths that there are not", filters: reject({ ...inside, prefixLength: { max: 8 } }) },
  {
    name: "NotIn, of lengths that there are not",
    filters: reject({ ...outside, prefixLength: { max: 8 } }),
    rejected: all,
  },
  { name: "RemotePeers", filters: reject({ source: "RemotePeers" }), rejected: all },
  { name: "iBGP from iBGP", filters: reject({ peerType: "iBGP" }), rejected: all },
  { name: "eBGP from iBGP", filters: reject({ peerType: "eBGP" }) },
  { name: "iBGP from eBGP", external: true, filters: reject({ peerType: "iBGP" }) },
  { name: "eBGP from eBGP", external: true, filters: reject({ peerType: "eBGP" }), rejected: all },
  { name: "a community", filters: reject({ communities: { values: ["65000:100"] } }), rejected: ["10.2.0.0/16"] },
  {
    name: "a large community",
    filters: reject({ communities: { values: ["65000:100:1"] } }),
    rejected: ["10.2.1.0/24"],
  },
  { name: "a path of one", filters: reject({ asPathPrefix: [65001] }), rejected: ["10.3.0.0/16"] },
  { name: "a path of two", filters: reject({ asPathPrefix: [65001, 65002] }), rejected: ["10.3.0.0/16"] },
  { name: "another path", filters: reject({ asPathPrefix: [65001, 65003] }) },
  {
    name: "a path with the neighbour's AS",
    external: true,
    filters: reject({ asPathPrefix: [64513, 65002] }),
    rejected: ["10.3.1.0/24"],
  },
  { name: "a priority", filters: reject({ priority: 512 }), rejected: ["10.4.0.0/16"] },
  {
    name: "two conditions",
    filters: reject({ cidr: "10.3.0.0/16", matchOperator: "In", asPathPrefix: [65002] }),
    rejected: ["10.3.1.0/24"],
  },
  {
    name: "the first rule that matches",
    filters: [
      [
        { ...inside, prefixLength: { min: 24 }, action: "Accept" },
        { ...inside, action: "Reject" },
      ],
    ],
    rejected: ["10.1.0.0/16"],
  },
  {
    name: "the first filter that decides",
    filters: [[{ ...inside, action: "Accept" }], [{ action: "Reject" }]],
    rejected: but("10.1.0.0/16", "10.1.2.0/24", "10.1.2.128/25"),
  },
  {
    name: "every operation, in order",
    filters: accept({ cidr: "10.3.1.0/24", matchOperator: "Equal" }, [
      { addCommunity: { value: "65000:7" } },
      { addCommunity: { value: "65000:7:8" } },
      { prependASPath: { prefix: [65010, 65011] } },
      { prependASPath: { prefix: [65009] } },
      { setPriority: { value: 2000 } },
    ]),
    changed: {
      "10.3.1.0/24": {
        communities: ["(65000,7)", "(65000, 7, 8)"],
        path: "65009 65010 65011 65002",
        localPref: 2_147_481_647,
      },
    },
  },
  {
    name: "a raised priority",
    filters: accept(inside, [{ setPriority: { value: 100 } }]),
    changed: Object.fromEntries(
      ["10.1.0.0/16", "10.1.2.0/24", "10.1.2.128/25"].map((net) => [
        net,
        { localPref: 2_147_483_547, preference: 200 },
      ]),
    ),
  },
  {
    name: "no priority that could outweigh a graceful shutdown",
    filters: accept({ cidr: "10.5.0.0/16", matchOperator: "Equal" }, [{ setPriority: { value: 100 } }]),
  },
];

/** The block and the addresses of a node that announces, and what it has learned from a neighbour. */
export const exported = ["10.7.0.0/16", "10.8.0.0/24", "10.8.0.5/32", "10.9.0.1/32"] as const;

export const exportCases: readonly FilterCase[] = [
  { name: "no filter", filters: [] },
  { name: "everything", filters: reject({}), rejected: exported },
  {
    name: "In",
    filters: reject({ cidr: "10.8.0.0/24", matchOperator: "In" }),
    rejected: ["10.8.0.0/24", "10.8.0.5/32"],
  },
  { name: "RemotePeers", filters: reject({ source: "RemotePeers" }), rejected: ["10.7.0.0/16"] },
  { name: "an interface", filters: reject({ interface: "cali0" }), rejected: ["10.8.0.5/32"] },
  { name: "interfaces", filters: reject({ interface: "cali*" }), rejected: ["10.8.0.5/32", "10.9.0.1/32"] },
  { name: "the interface to a neighbour", filters: reject({ interface: "*th0" }), rejected: ["10.7.0.0/16"] },
  { name: "eBGP to iBGP", filters: reject({ peerType: "eBGP" }) },
  { name: "iBGP to iBGP", filters: reject({ peerType: "iBGP" }), rejected: exported },
  { name: "eBGP to eBGP", external: true, filters: reject({ peerType: "eBGP" }), rejected: exported },
  { name: "a community", filters: reject({ communities: { values: ["65000:100"] } }), rejected: ["10.7.0.0/16"] },
  { name: "a path", filters: reject({ asPathPrefix: [64514, 65001] }), rejected: ["10.7.0.0/16"] },
  { name: "a raised priority", filters: reject({ priority: 512 }), rejected: ["10.8.0.5/32"] },
  { name: "the normal priority", filters: reject({ priority: 1024 }), rejected: ["10.8.0.0/24", "10.9.0.1/32"] },
  {
    name: "what the node itself would keep back",
    filters: [[{ cidr: "10.8.0.6/32", matchOperator: "Equal", action: "Accept" }]],
    changed: {
      "10.8.0.6/32": { localPref: 2_147_482_623, path: "", communities: [], med: undefined, preference: 100 },
    },
  },
  {
    name: "every operation",
    filters: accept({ cidr: "10.8.0.0/24", matchOperator: "Equal" }, [
      { addCommunity: { value: "65000:7" } },
      { addCommunity: { value: "65000:7:8" } },
      { prependASPath: { prefix: [65010, 65011] } },
      { setPriority: { value: 100 } },
    ]),
    changed: {
      "10.8.0.0/24": {
        communities: ["(65000,7)", "(65000, 7, 8)"],
        path: "65010 65011",
        localPref: 2_147_483_547,
      },
    },
  },
  {
    name: "every operation to eBGP, where no priority goes",
    external: true,
    filters: accept({ cidr: "10.8.0.0/24", matchOperator: "Equal" }, [
      { prependASPath: { prefix: [65010] } },
      { setPriority: { value: 100 } },
    ]),
    changed: { "10.8.0.0/24": { path: "64512 65010" } },
  },
];
