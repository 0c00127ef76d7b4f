/** What happens to a node's policies, tiers and host endpoints, as lists of states. */
import type { CalicoNetworkPolicy } from "../../src/api/calico-network-policy.ts";
import type { GlobalNetworkPolicy } from "../../src/api/global-network-policy.ts";
import type { HostEndpoint } from "../../src/api/host-endpoint.ts";
import { namespacedName } from "../../src/api/names.ts";
import { type Attachment, attachmentKey, type HostInterface, type Labels, type Pod } from "../../src/api/objects.ts";
import type { GlobalPolicySpec, PolicyRule, PolicySpec } from "../../src/api/policy-rule.ts";
import { parseSelector } from "../../src/api/selector/parse-selector.ts";
import { emptySnapshot, type Rejected, type Snapshot } from "../../src/api/snapshot.ts";
import type { Tier } from "../../src/api/tier.ts";
import { parseIp } from "../../src/net/ip.ts";
import { nodes } from "./random-objects.ts";

const [thisNode, otherNode] = nodes;
const revision = { uid: "uid", generation: 1 };

const web: Pod = {
  ...{ namespace: "shop", name: "web", uid: "uid-web", labels: { app: "web" }, annotations: {}, node: thisNode },
  ...{ serviceAccount: "robot", ips: [parseIp("10.0.0.1")], annotatedIps: [], hostNetwork: false, finished: false },
  namedPorts: [{ name: "http", protocol: 6, port: 8080 }],
};
const db: Pod = { ...web, name: "db", uid: "uid-db", labels: { app: "db" }, ips: [parseIp("10.0.0.2")] };
const desk: Pod = { ...web, namespace: "office", name: "desk", uid: "uid-desk", ips: [parseIp("10.0.0.3")] };
const far: Pod = { ...web, name: "far", uid: "uid-far", ips: [parseIp("10.0.1.1")], node: otherNode };
const shop = { name: "shop", labels: { team: "shop" }, annotations: {} };
const office = { name: "office", labels: {}, annotations: {} };
const robot = { namespace: "shop", name: "robot", labels: { role: "robot" } };

const base = { pods: [web, db, desk, far], wired: [web, db, desk], namespaces: [shop, office] };

const anyPolicy: PolicySpec = {
  ...{
    tier: "default",
    selector: "",
    serviceAccountSelector: "",
    types: ["Ingress", "Egress"],
    ingress: [],
    egress: [],
  },
};

const allow: PolicyRule = rule("Allow", "app == 'web'");
const inShop = policy("shop", "in-shop", { ingress: [allow] });
const earlyInShop = policy("shop", "early-in-shop", { tier: "early", ingress: [allow] });
const everywhere = globalPolicy("everywhere", { selector: "app == 'web'", ingress: [allow] });
const ofHosts = { selector: "role == 'gate'", ingress: [rule("Allow", "app == 'db'")] };
const untracked = { ...ofHosts, doNotTrack: true, applyOnForward: true };
const preDnat = { ...ofHosts, preDNAT: true, applyOnForward: true };
const rejectedGlobal: Rejected = {
  ...{ rejected: "spec.selector: it is missing", namespace: "", name: "everywhere", revision },
  scope: { tier: "early", order: 3, selector: parseSelector("app == 'web'") },
};

const gate = hostEndpoint("gate", { interfaceName: "eth0" });
const byAddress = hostEndpoint("address", { expectedIPs: [parseIp("172.16.0.1")] });
const rest = hostEndpoint("rest", { interfaceName: "*", profiles: ["projectcalico-default-allow"] });
const eth0 = { name: "eth0", addresses: [parseIp("172.16.0.1")] };
const eth1 = { name: "eth1", addresses: [parseIp("172.16.1.1")] };

export const policyScenarios: Readonly<Record<string, readonly Snapshot[]>> = {
  "a tier comes, moves, turns and goes": [
    snapshot({ ...base, policies: [inShop, earlyInShop] }),
    ...[tier("early", 1, "Deny"), tier("early", undefined, "Deny"), tier("early", 1, "Pass")].map((one) =>
      snapshot({
        ...base,
        policies: [inShop, earlyInShop],
        globals: [everywhere],
        tiers: [one, tier("default", 1, "Pass")],
      }),
    ),
    snapshot({ ...base, policies: [earlyInShop], tiers: [tier("late", 5, "Pass")] }),
  ],
  "two tiers that nobody made, and one that somebody did": [
    snapshot({ ...base, globals: ["b", "a"].map((name) => globalPolicy(name, { tier: name })) }),
    snapshot({ ...base, globals: ["b", "a"].map((name) => globalPolicy(name, { tier: name })), tiers: [tier("b")] }),
  ],
  "policies of equal order stand by name, and move with their order": [
    snapshot({ ...base, globals: ["c", "a", "b"].map((name) => globalPolicy(name, {})) }),
    snapshot({ ...base, globals: ["c", "a", "b"].map((name) => globalPolicy(name, { order: name === "b" ? 1 : 2 })) }),
    snapshot({ ...base, globals: ["c", "a"].map((name) => globalPolicy(name, {})), policies: [inShop] }),
  ],
  "a global policy selects other endpoints, in one edit and another": [
    snapshot({ ...base, globals: [everywhere] }),
    snapshot({ ...base, globals: [globalPolicy("everywhere", { ...everywhere.spec, selector: "app == 'db'" })] }),
    snapshot({ ...base, globals: [globalPolicy("everywhere", { ...everywhere.spec, selector: "!has(app)" })] }),
    snapshot({
      ...base,
      globals: [globalPolicy("everywhere", { ...everywhere.spec, namespaceSelector: "has(team)" })],
    }),
    snapshot({ ...base, globals: [globalPolicy("everywhere", { ...everywhere.spec, types: ["Egress"] })] }),
    snapshot({ ...base, globals: [rejectedGlobal] }),
    snapshot({ ...base, globals: [{ ...rejectedGlobal, scope: {} }], hosts: [gate] }),
  ],
  "a service account is found, labelled and lost": [
    snapshot({ ...base, policies: [ofAccount()] }),
    snapshot({ ...base, policies: [ofAccount()], accounts: [{ ...robot, labels: {} }] }),
    snapshot({ ...base, policies: [ofAccount()], accounts: [robot] }),
    snapshot({ ...base, policies: [ofAccount()], accounts: [robot], pods: [{ ...web, serviceAccount: "x" }, db] }),
  ],
  "a staged policy stands alone, then beside another": [
    snapshot({ ...base, staged: [globalPolicy("staged", {})] }),
    snapshot({ ...base, staged: [globalPolicy("staged", {})], globals: [everywhere] }),
    snapshot({ ...base, staged: [globalPolicy("staged", ofHosts)], hosts: [gate] }),
    snapshot({ ...base, staged: [globalPolicy("staged", { applyOnForward: true })], hosts: [gate] }),
    snapshot({ ...base, staged: [globalPolicy("staged", { tier: "early" })], tiers: [tier("early", 1, "Deny")] }),
  ],
  "the namespace of a pod is found late, and lost": [
    snapshot({ ...base, namespaces: [office], policies: [inShop], globals: [everywhere] }),
    snapshot({ ...base, policies: [inShop], globals: [everywhere] }),
    snapshot({ ...base, namespaces: [shop], policies: [inShop], globals: [everywhere] }),
  ],
  "the last endpoint of a namespace goes, its policy changes meanwhile, and another comes": [
    snapshot({ ...base, policies: [inShop] }),
    snapshot({ ...base, wired: [desk], policies: [inShop] }),
    snapshot({ ...base, wired: [desk], policies: [policy("shop", "in-shop", { egress: [allow] })] }),
    snapshot({ ...base, wired: [web], policies: [policy("shop", "in-shop", { egress: [allow] })] }),
  ],
  "host endpoints of more and less specific kinds come and go": [
    snapshot({ ...base, hosts: [rest] }),
    snapshot({ ...base, hosts: [rest, gate], interfaces: [eth0, eth1] }),
    snapshot({ ...base, hosts: [rest, gate, byAddress], interfaces: [eth0, eth1] }),
    snapshot({ ...base, hosts: [gate, byAddress], interfaces: [eth1, { ...eth0, name: "eth2" }] }),
    snapshot({ ...base, hosts: [byAddress, hostEndpoint("later", byAddress.spec)], interfaces: [eth0] }),
    snapshot({ ...base, hosts: [byAddress], interfaces: [{ ...eth0, name: "cali7" }] }),
    snapshot({ ...base, hosts: [hostEndpoint("odd", { interfaceName: "cali-web" })], globals: [everywhere] }),
    snapshot({ ...base, hosts: [hostEndpoint("gate", { ...gate.spec, node: otherNode })], interfaces: [eth0] }),
  ],
  "a host endpoint's stages": [
    snapshot({ ...base, hosts: [gate], globals: [globalPolicy("normal", ofHosts)] }),
    snapshot({ ...base, hosts: [gate], globals: [globalPolicy("forward", { ...ofHosts, applyOnForward: true })] }),
    snapshot({ ...base, hosts: [gate], globals: [globalPolicy("untracked", untracked)] }),
    snapshot({ ...base, hosts: [gate], globals: [globalPolicy("pre", preDnat), globalPolicy("normal", ofHosts)] }),
    snapshot({ ...base, hosts: [gate], globals: [globalPolicy("pre", { ...preDnat, types: ["Egress"] })] }),
    snapshot({ ...base, hosts: [gate], globals: [globalPolicy("all", { ...untracked, selector: "" })] }),
    snapshot({ ...base, hosts: [gate], globals: [globalPolicy("all", { selector: "", applyOnForward: true })] }),
  ],
  "a policy goes from stage to stage": [
    ...[{ ...ofHosts, applyOnForward: true }, untracked, preDnat, untracked, ofHosts, preDnat].map((spec) =>
      snapshot({ ...base, hosts: [gate], globals: [globalPolicy("moving", spec)] }),
    ),
  ],
  "a host endpoint's profiles": [
    ...[["kns.shop"], ["kns.gone"], ["ksa.shop.robot"], ["kns.gone", "projectcalico-default-allow"], []].map(
      (profiles) =>
        snapshot({
          ...base,
          hosts: [hostEndpoint("gate", { interfaceName: "eth0", profiles })],
          globals: [globalPolicy("team", { selector: "pcns.team == 'shop'" })],
        }),
    ),
    snapshot({
      ...base,
      namespaces: [office],
      hosts: [hostEndpoint("gate", { interfaceName: "eth0", profiles: ["kns.shop"] })],
      globals: [globalPolicy("team", { selector: "pcns.team == 'shop'" })],
    }),
  ],
};

// --- internal ---

interface Objects {
  readonly pods?: readonly Pod[];
  /** Those that this node has wired. */
  readonly wired?: readonly Pod[];
  readonly namespaces?: readonly (typeof shop | typeof office)[];
  readonly accounts?: readonly { readonly namespace: string; readonly name: string; readonly labels: Labels }[];
  readonly policies?: readonly CalicoNetworkPolicy[];
  readonly globals?: readonly (GlobalNetworkPolicy | Rejected)[];
  /** As staged ones. */
  readonly staged?: readonly GlobalNetworkPolicy[];
  readonly tiers?: readonly Tier[];
  readonly hosts?: readonly HostEndpoint[];
  readonly interfaces?: readonly HostInterface[];
}

function snapshot(objects: Objects): Snapshot {
  const { pods = [], wired = [], namespaces = [], accounts = [], staged = [] } = objects;
  const attachments = wired.map(attachment);
  return {
    ...emptySnapshot(),
    pod: new Map(pods.map((one) => [namespacedName(one.namespace, one.name), one])),
    attachment: new Map(attachments.map((one) => [attachmentKey(one), one])),
    namespace: new Map(namespaces.map((one) => [one.name, one])),
    serviceAccount: new Map(accounts.map((one) => [namespacedName(one.namespace, one.name), one])),
    calicoNetworkPolicy: new Map(
      objects.policies?.map((one) => [namespacedName(one.metadata.namespace ?? "", one.metadata.name), one]),
    ),
    globalNetworkPolicy: new Map(
      objects.globals?.map((one) => ["metadata" in one ? one.metadata.name : one.name, one]),
    ),
    stagedGlobalNetworkPolicy: new Map(
      staged.map(({ metadata, spec }) => [metadata.name, { metadata, spec: { ...spec, stagedAction: "Set" } }]),
    ),
    tier: new Map(objects.tiers?.map((one) => [one.metadata.name, one])),
    hostEndpoint: new Map(objects.hosts?.map((one) => [one.metadata.name, one])),
    hostInterface: new Map(objects.interfaces?.map((one) => [one.name, one])),
  };
}

function attachment({ namespace, name, uid, ips }: Pod): Attachment {
  return {
    ...{ containerId: `c-${name}`, interfaceName: "eth0", hostInterface: `cali-${name}`, netns: `/run/netns/${name}` },
    ...{ pod: namespacedName(namespace, name), podUid: uid, addresses: ips, mtu: 1500 },
  };
}

function rule(action: PolicyRule["action"], selector: string): PolicyRule {
  const anybody = {
    ...{ nets: [], notNets: [], selector: "", notSelector: "", namespaceSelector: "", ports: [], notPorts: [] },
  };
  return {
    action,
    protocol: 6,
    source: { ...anybody, selector },
    destination: { ...anybody, ports: [{ name: "http" }] },
  };
}

function policy(namespace: string, name: string, spec: Partial<PolicySpec>): CalicoNetworkPolicy {
  return {
    metadata: { name, namespace, ...revision, labels: {}, annotations: {} },
    spec: { ...anyPolicy, ...spec },
  };
}

function ofAccount(): CalicoNetworkPolicy {
  return policy("shop", "of-account", { serviceAccountSelector: "role == 'robot'", ingress: [allow] });
}

function globalPolicy(name: string, spec: Partial<GlobalPolicySpec>): GlobalNetworkPolicy {
  const stages = { doNotTrack: false, preDNAT: false, applyOnForward: false };
  return {
    metadata: { name, ...revision, labels: {}, annotations: {} },
    spec: { ...anyPolicy, namespaceSelector: "", ...stages, ...spec },
  };
}

function tier(name: string, order?: number, defaultAction: "Deny" | "Pass" = "Deny"): Tier {
  return { metadata: { name, labels: {}, annotations: {} }, spec: { order, defaultAction } };
}

function hostEndpoint(name: string, spec: Partial<HostEndpoint["spec"]>): HostEndpoint {
  const unsaid = { node: thisNode, interfaceName: "", expectedIPs: [], profiles: [], ports: [] };
  return { metadata: { name, labels: { role: "gate" }, annotations: {} }, spec: { ...unsaid, ...spec } };
}
