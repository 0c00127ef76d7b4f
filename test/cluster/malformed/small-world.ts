/** A node with four pods and an interface of its own, on which everything may pass before a broken object comes. */
import type { NodeName } from "../../../src/api/names.ts";
import { namespacedName } from "../../../src/api/names.ts";
import { type Attachment, attachmentKey, type Labels, type Pod } from "../../../src/api/objects.ts";
import type { Change } from "../../../src/api/snapshot.ts";
import { type FedKind, type Feed, feeds } from "../../../src/kube/fed-kinds.ts";
import { parseIp } from "../../../src/net/ip.ts";

/** The node that everything is seen from. */
export const node = "node-1" as NodeName;

/** A pod, and how its node has wired it; `far` is another node's. */
export interface SmallPod {
  readonly name: "shop/web" | "shop/db" | "shop/cache" | "lab/web" | "lab/far";
  readonly hostInterface: string;
  readonly addresses: readonly [four: string, six: string];
  readonly app: string;
}

export const pods: readonly SmallPod[] = [
  { name: "shop/web", hostInterface: "cali1", addresses: ["10.0.0.1", "fd00::1"], app: "web" },
  { name: "shop/db", hostInterface: "cali2", addresses: ["10.0.0.2", "fd00::2"], app: "db" },
  { name: "shop/cache", hostInterface: "cali4", addresses: ["10.0.0.4", "fd00::4"], app: "cache" },
  { name: "lab/web", hostInterface: "cali3", addresses: ["10.0.0.3", "fd00::3"], app: "web" },
];

export const farPod: SmallPod = {
  ...{ name: "lab/far", hostInterface: "", app: "db" },
  addresses: ["10.0.1.1", "fd00::1:1"],
};

/** Of the node itself. */
export const uplink = { name: "eth0", addresses: ["172.16.0.1", "fd01::1"] } as const;

/** A policy that lets TCP through to and from one port, and leaves everything else to others. */
export interface Standing {
  readonly port: number;
  /** Of its tier, and its own in there. */
  readonly at: readonly [tier: number, policy: number];
  /** Only pods have it, and at its ingress it allows only what comes from pods. */
  readonly podsAlone: boolean;
}

/** One in each place where what comes later must not take back what it allows, and what comes earlier must. */
export const standings: readonly Standing[] = [
  { port: 9999, at: [1, 10], podsAlone: false },
  { port: 8888, at: [100, 60], podsAlone: false },
  { port: 6060, at: [1_000, 5], podsAlone: true },
  { port: 7777, at: [1_000_000, 10], podsAlone: false },
];

/** Everything that is there, as changes. */
export function smallWorld(): readonly Change[] {
  return [
    ...["shop", "lab"].map((name) => fed("namespace", { metadata: { name, labels: { team: teams[name] } } })),
    ...["shop", "lab"].map((namespace) =>
      fed("serviceAccount", { metadata: { namespace, name: "default", labels: { team: teams[namespace] } } }),
    ),
    fed("node", { metadata: { name: node }, status: { addresses: uplink.addresses.map(internalIp) } }),
    ...[...pods, farPod].map((pod): Change => ({ kind: "pod", key: keyOf(pod), value: podOf(pod) })),
    ...pods.map((pod): Change => {
      const attachment = attachmentOf(pod);
      return { kind: "attachment", key: attachmentKey(attachment), value: attachment };
    }),
    { kind: "hostInterface", key: uplink.name, value: { name: uplink.name, addresses: uplink.addresses.map(parseIp) } },
    ...tier("first", 1),
    ...tier("platform", 100),
    ...inTier("first", 10, 9999),
    ...inTier("platform", 60, 8888),
    fed("clusterNetworkPolicy", clusterPolicy),
  ];
}

/** Such policies in the tier `default`: in a world of Kubernetes NetworkPolicies they would allow what those leave open. */
export function inDefaultTier(): readonly Change[] {
  return inTier("default", 10, 7777);
}

/** The interface as a host endpoint that lets everything through which no policy forbids. */
export function openHostEndpoint(): Change {
  const profiles = ["projectcalico-default-allow"];
  const spec = { node, interfaceName: uplink.name, expectedIPs: uplink.addresses, profiles };
  return fed("hostEndpoint", { metadata: { name: "uplink", labels: {} }, spec });
}

/** An API object that is right, on the way that the agent's objects take. */
export function fed(kind: FedKind, json: object): Change {
  const { key, parse } = feeds[kind] as unknown as Feed<FedKind>;
  const { namespace = "", name } = (json as { metadata: { namespace?: string; name: string } }).metadata;
  return { kind, key: key(namespace, name), value: parse(json) } as Change;
}

/** A global policy for everything, host endpoints and what they forward as well, with the same rules both ways. */
export function globalPolicy(tier: string, order: number | undefined, rules: readonly Rule[], selector = "all()") {
  const spec = {
    tier,
    ...(order !== undefined && { order }),
    selector,
    types: ["Ingress", "Egress"],
    applyOnForward: true,
  };
  const egress = rules.map(({ peer, ...rule }) => ({ ...rule, ...(peer && { destination: peer }) }));
  const ingress = rules.map(({ peer, ...rule }) => ({ ...rule, ...(peer && { source: peer }) }));
  return { metadata: { name: `${tier}.at-${order ?? "end"}` }, spec: { ...spec, ingress, egress } };
}

/** A rule of `globalPolicy`; `peer` is the other end, `destination` what a packet is for. */
export interface Rule {
  readonly action: "Allow" | "Deny" | "Pass";
  readonly protocol?: "TCP";
  readonly destination?: { readonly ports: readonly number[] };
  readonly peer?: object;
}

/** A rule for packets to one TCP port. */
export function onPort(action: Rule["action"], port: number): Rule {
  return { action, protocol: "TCP", destination: { ports: [port] } };
}

// --- internal ---

const teams: Readonly<Record<string, string>> = { shop: "sales", lab: "research" };

function tier(name: string, order: number): readonly Change[] {
  return [fed("tier", { metadata: { name }, spec: { order, defaultAction: "Deny" } })];
}

/** One lets the port through; the other, which stands behind all that has no order and a name before its own, ends the tier. */
function inTier(tier: string, order: number, port: number): readonly Change[] {
  return [
    fed("globalNetworkPolicy", globalPolicy(tier, order, [onPort("Allow", port)])),
    fed("globalNetworkPolicy", globalPolicy(tier, undefined, [{ action: "Pass" }])),
  ];
}

const everyone = [{ namespaces: {} }];
const anywhere = [...everyone, { networks: ["0.0.0.0/0"] }, { networks: ["::/0"] }];
const protocols = [{ tcp: { destinationPort: { number: 6060 } } }];

/** From outside nothing can be accepted in that API: what comes in from pods is. */
const clusterPolicy = {
  metadata: { name: "at-5" },
  spec: {
    ...{ tier: "Admin", priority: 5, subject: { namespaces: {} } },
    ingress: [{ action: "Accept", from: everyone, protocols }],
    egress: [{ action: "Accept", to: anywhere, protocols }],
  },
};

function internalIp(address: string) {
  return { type: "InternalIP", address };
}

function keyOf({ name }: SmallPod) {
  const [namespace = "", own = ""] = name.split("/");
  return namespacedName(namespace, own);
}

function podOf({ name, addresses, app, hostInterface }: SmallPod): Pod {
  const [namespace = "", own = ""] = name.split("/");
  const labels: Labels = { app };
  return {
    ...{ namespace, name: own, uid: name, labels, annotations: {}, serviceAccount: "default", annotatedIps: [] },
    node: hostInterface === "" ? ("node-2" as NodeName) : node,
    ips: addresses.map(parseIp),
    namedPorts: [{ name: "http", protocol: 6, port: 80 }],
    hostNetwork: false,
    finished: false,
  };
}

function attachmentOf(pod: SmallPod): Attachment {
  const { addresses, hostInterface, name } = pod;
  return {
    ...{
      containerId: name.replace("/", "-"),
      interfaceName: "eth0",
      hostInterface,
      netns: `/run/netns/${hostInterface}`,
    },
    ...{ pod: keyOf(pod), podUid: name, addresses: addresses.map(parseIp), mtu: 1500 },
  };
}
