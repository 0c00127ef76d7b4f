import fc from "fast-check";
import type { NodeName } from "../../../src/api/names.ts";

/** What objects of BGP may say, as JSON: much of it at the edge of what the API server takes, and some of it beyond. */
export interface BgpWords {
  readonly configurations: readonly (readonly [string, object])[];
  readonly peers: readonly object[];
  readonly filters: readonly (readonly [string, object])[];
  readonly annotations: readonly object[];
  readonly internalIps: readonly (readonly string[])[];
  readonly passwords: readonly Uint8Array[];
}

/** The node that looks. */
export const self = "node-0" as NodeName;

/** One with disableBGPExport. */
export const hiddenPool = "10.9.0.0/16";

/** Some of them some node's, or a pod's. */
const ordinary = [
  ...["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "192.0.2.1", "192.0.2.2", "10.244.0.5"],
  ...["2001:db8::1", "2001:db8::2", "2001:db8::3", "fd00::1", "2001:db8:0:0:1::"],
];
/** Those that few routers have, and those that are nobody's. */
const odd = [
  ...["0.0.0.0", "0.0.0.1", "127.0.0.1", "169.254.1.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"],
  ...["::", "::1", "fe80::1", "fe80::2", "ff02::1", "::ffff:10.0.0.9", "::10.0.0.9", "4000::1", "100::1"],
];
const addresses = [...ordinary, ...odd];
const beyond = ["", "10.0.0.256", "fe80::1%eth0", "10.0.0.1;", 'x"; disabled; #', "2001:db8::/64", "10.0.0.01"];
const networks = [
  ...["0.0.0.0/0", "10.0.0.0/8", "10.244.0.0/16", "10.244.0.0/26", "10.244.0.5/32", "10.96.0.0/12", "10.96.0.1/32"],
  ...["192.0.2.7/24", "224.0.0.0/4", "127.0.0.0/8", "0.0.0.0/32", "255.255.255.255/32"],
  ...["::/0", "2001:db8::/32", "fe80::/10", "ff00::/8", "::1/128", "fd00:10:96::/112", "::ffff:10.0.0.0/104"],
];
const names = [
  ...["open", "closed", "a.b-c", "a".repeat(45), "a".repeat(46), `${"a".repeat(45)}.b`, `${"a".repeat(45)}-b`],
  ...["a".repeat(253), "0", "9-lives", "missing", "upper_CASE", "weiß", "it's", "a'; reject; #", "", "a-b", "a_b"],
];

/** Mostly what the API server takes: one wrong field spoils the whole object. */
const mostly = <T>(good: readonly T[], bad: readonly T[]): fc.Arbitrary<T> =>
  fc.oneof({ weight: 40, arbitrary: fc.constantFrom(...good) }, fc.constantFrom(...bad));

const address = fc.oneof(
  { weight: 20, arbitrary: fc.constantFrom(...ordinary) },
  { weight: 4, arbitrary: fc.constantFrom(...odd) },
  fc.constantFrom(...beyond),
);
const network = mostly(networks, beyond);
const asNumber = mostly<unknown>(
  [64512, 64512, 64513, "65000", "1.10", 23456, 4294967295, 1],
  [0, -1, 4294967296, "65536.1", "x"],
);
const duration = fc.constantFrom(
  "0",
  "0s",
  "1ns",
  "500ms",
  "1s",
  "79s",
  "80s",
  "81s",
  "240s",
  "241s",
  "1h",
  "4095s",
  "5000s",
  "99999999h",
);
const community = mostly(
  ["64512:100", "0:0", "65535:0", "65535:65535", "1:2:3", "4294967295:4294967295:4294967295"],
  ["65536:1", "4294967296:0:0", "named", "a:b"],
);
const selector = mostly(["all()", "has(rack)", "rack == '1'", "!has(rack)", "rack == '\"'"], ["", "(("]);
const priority = mostly([1, 1024, 1023, 2147483646], [0, 2147483647, -5]);
const interfaceName = mostly(["eth0", "cali*", "*", "docker0", "-x", "veth.1_2"], ["", 'e"; #', "a b", "a".repeat(16)]);
const port = mostly([1, 179, 1790, 65535], [0, 65536]);
const password = mostly<unknown>(
  [0, 1, 2, 3, 4, 5].map((index) => ({ secretKeyRef: { name: `secret-${index}`, key: "k" } })),
  [{}, "plain", ...["", "../x"].map((name) => ({ secretKeyRef: { name, key: 'a"b' } }))],
);
const bool = fc.boolean();

const some = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record(model, { requiredKeys: [] });

const operation = fc.oneof(
  fc.record({ addCommunity: fc.record({ value: community }) }),
  fc.record({ prependASPath: fc.record({ prefix: fc.array(asNumber, { minLength: 1, maxLength: 10 }) }) }),
  fc.record({ setPriority: fc.record({ value: priority }) }),
);

const length = mostly([0, 1, 8, 24, 26, 32], [-1, 33, 128, 129]);

const rule = (version: 4 | 6) =>
  some({
    cidr: mostly(
      networks.filter((one) => one.includes(":") === (version === 6)),
      beyond,
    ),
    matchOperator: fc.constantFrom("Equal", "NotEqual", "In", "NotIn"),
    prefixLength: some({ min: length, max: length }),
    source: fc.constantFrom("RemotePeers"),
    interface: interfaceName,
    peerType: fc.constantFrom("eBGP", "iBGP"),
    communities: fc.record({ values: fc.array(community, { minLength: 1, maxLength: 1 }) }),
    asPathPrefix: fc.oneof(
      fc.array(asNumber, { maxLength: 4 }),
      fc.constant(Array.from({ length: 255 }, (_, n) => n + 1)),
    ),
    priority,
    operations: fc.array(operation, { minLength: 1, maxLength: 3 }),
  }).chain((fields) => fc.constantFrom("Accept", "Reject").map((action) => tidy({ ...fields, action })));

/** Mostly as the API server would take it: one wrong rule would else spoil each filter. */
function tidy(rule: Record<string, unknown>): object {
  const { cidr, matchOperator, prefixLength, operations, ...rest } = rule;
  return {
    ...rest,
    ...(cidr !== undefined && {
      cidr,
      matchOperator: matchOperator ?? "In",
      ...(prefixLength !== undefined && { prefixLength }),
    }),
    ...(rule["action"] === "Accept" && operations !== undefined && { operations }),
  };
}

const rules = (version: 4 | 6) => fc.array(rule(version), { maxLength: 2 });
const filter = some({ importV4: rules(4), exportV4: rules(4), importV6: rules(6), exportV6: rules(6) });

const peer = fc
  .record({
    whom: fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({
          peerIP: fc.oneof(
            { weight: 4, arbitrary: address },
            fc.tuple(address, port).map(([ip, at]) => (ip.includes(":") ? `[${ip}]:${at}` : `${ip}:${at}`)),
          ),
          asNumber,
        }),
      },
      fc.record({ peerSelector: selector }),
      fc.record({ localWorkloadSelector: selector, asNumber }),
    ),
    where: fc.oneof(
      fc.constant({}),
      fc.constant({ node: self as string }),
      selector.map((nodeSelector) => ({ nodeSelector })),
    ),
    rest: some({
      localASNumber: asNumber,
      nextHopMode: fc.constantFrom("Auto", "Self", "Keep"),
      keepOriginalNextHop: bool,
      password,
      sourceAddress: fc.constantFrom("UseNodeIP", "None"),
      maxRestartTime: duration,
      keepaliveTime: duration,
      numAllowedLocalASNumbers: fc.constantFrom(0, 1, 255, 256, 2147483647),
      ttlSecurity: fc.constantFrom(0, 1, 2, 254, 255),
      reachableBy: address,
      filters: fc.array(mostly(names.slice(0, 6), names), { maxLength: 3 }),
      reversePeering: fc.constantFrom("Auto", "Manual"),
      bfd: fc.constantFrom("Enabled", "Disabled"),
    }),
  })
  .map(({ whom, where, rest }) => ({ ...rest, ...where, ...whom }));

const cidrs = fc.array(fc.record({ cidr: network }), { maxLength: 3 });
const configuration = some({
  logSeverityScreen: fc.constantFrom("Debug", "Info", "Warning", "Error", "Fatal", "None"),
  nodeToNodeMeshEnabled: bool,
  asNumber,
  serviceLoadBalancerIPs: cidrs,
  serviceExternalIPs: cidrs,
  serviceClusterIPs: cidrs,
  serviceLoadBalancerAggregation: fc.constantFrom("Enabled", "Disabled"),
  communities: fc.array(fc.record({ name: fc.constantFrom("named", "64512:1", "a b"), value: community }), {
    maxLength: 2,
  }),
  prefixAdvertisements: fc.array(
    fc.record({ cidr: network, communities: fc.array(community, { minLength: 1, maxLength: 3 }) }),
    { maxLength: 3 },
  ),
  listenPort: port,
  nodeMeshPassword: password,
  nodeMeshMaxRestartTime: duration,
  nodeMeshBFD: fc.constantFrom("Enabled", "Disabled"),
  bindMode: fc.constantFrom("None", "NodeIP"),
  ignoredInterfaces: fc.array(interfaceName, { maxLength: 4 }),
  localWorkloadPeeringIPV4: address,
  localWorkloadPeeringIPV6: address,
  programClusterRoutes: fc.constantFrom("Enabled", "Disabled"),
  ipv4NormalRoutePriority: priority,
  ipv6NormalRoutePriority: priority,
});

const annotations = some({
  "projectcalico.org/IPv4Address": fc.oneof(
    address,
    address.map((ip) => `${ip}/24`),
  ),
  "projectcalico.org/IPv6Address": fc.oneof(
    address,
    address.map((ip) => `${ip}/64`),
  ),
  "projectcalico.org/ASNumber": asNumber.map(String),
  "projectcalico.org/RouteReflectorClusterID": fc.constantFrom(
    "244.0.0.1",
    "0.0.0.0",
    "255.255.255.255",
    "::1",
    "1",
    "244.0.0.1; x",
  ),
});

/** Random objects of a small cluster. */
export const bgpWords: fc.Arbitrary<BgpWords> = fc.record({
  configurations: fc.array(
    fc.tuple(fc.constantFrom("default", `node.${self}`, "node.node-1", "other"), configuration),
    { maxLength: 2 },
  ),
  peers: fc.array(peer, { maxLength: 5 }),
  filters: fc
    .tuple(
      fc.array(fc.tuple(fc.constantFrom(...names), filter), { maxLength: 3 }),
      fc.tuple(...names.slice(0, 6).map((name) => fc.tuple(fc.constant(name), filter))),
    )
    .map(([any, common]) => [...any, ...common]),
  annotations: fc.array(annotations, { minLength: 4, maxLength: 4 }),
  internalIps: fc.array(
    fc.array(
      address.filter((ip) => addresses.includes(ip)),
      { minLength: 1, maxLength: 3 },
    ),
    {
      minLength: 4,
      maxLength: 4,
    },
  ),
  passwords: fc.array(
    fc.oneof(
      fc
        .constantFrom("secret", "with space", "#;{}\\'", "x".repeat(80), "x".repeat(81), 'quo"te', "", "line\nbreak")
        .map((text) => new TextEncoder().encode(text)),
      fc.uint8Array({ maxLength: 90 }),
    ),
    { minLength: 5, maxLength: 5 },
  ),
});
