import fc from "fast-check";
import { expect } from "vitest";
import type { HostEndpoint } from "../../../../src/api/host-endpoint.ts";
import { type NamespacedName, type NodeName, namespacedName } from "../../../../src/api/names.ts";
import type { NetworkSet } from "../../../../src/api/network-set.ts";
import type { EndpointSlice, Labels, Namespace, Pod, ServiceAccount } from "../../../../src/api/objects.ts";
import { parseSelector } from "../../../../src/api/selector/parse-selector.ts";
import { emptySnapshot, type Snapshot } from "../../../../src/api/snapshot.ts";
import { AddressHolders } from "../../../../src/felix/calc/address-holders.ts";
import { AttachmentTable } from "../../../../src/felix/calc/attachment-table.ts";
import type { SetSource } from "../../../../src/felix/calc/compiled-policy.ts";
import type { SetId } from "../../../../src/felix/calc/plan.ts";
import { PodAddresses } from "../../../../src/felix/calc/pod-addresses.ts";
import { PodTable } from "../../../../src/felix/calc/pod-table.ts";
import { SetIndex } from "../../../../src/felix/calc/set-index.ts";
import { parseCidr } from "../../../../src/net/cidr.ts";
import { parseIp } from "../../../../src/net/ip.ts";
import { setOf } from "../../../reference-sets.ts";

const node = "node-1" as NodeName;

/** A SetIndex beside the plain facts that it was told. */
export class SetCluster {
  readonly pods = new Map<NamespacedName, Pod>();
  readonly namespaces = new Map<string, Namespace>();
  readonly accounts = new Map<NamespacedName, ServiceAccount>();
  readonly hosts = new Map<string, HostEndpoint>();
  readonly networkSets = new Map<NamespacedName, NetworkSet>();
  readonly globalSets = new Map<string, NetworkSet>();
  readonly slices = new Map<NamespacedName, EndpointSlice>();
  readonly used = new Map<SetId, SetSource>();
  readonly #snapshot: Snapshot = {
    ...emptySnapshot(),
    ...{ pod: this.pods, namespace: this.namespaces, serviceAccount: this.accounts, endpointSlice: this.slices },
    ...{ hostEndpoint: this.hosts, networkSet: this.networkSets, globalNetworkSet: this.globalSets },
  };
  readonly table = new PodTable();
  readonly sets = new SetIndex(
    this.table,
    new PodAddresses({ node, pods: this.table, attachments: new AttachmentTable(), holders: new AddressHolders() }),
  );

  /** Every set in use is there, and holds what a look at everything finds; nothing else is there. */
  expectPlans(): void {
    const plans = this.sets.plans();
    expect([...plans.keys()]).toEqual([...this.used.keys()].sort());
    for (const source of this.used.values()) {
      const { kind, id, members } = setOf(this.#snapshot, node, source);
      const plan = plans.get(source.id);
      expect([plan?.kind, plan?.id]).toEqual([kind, id]);
      expect([...(plan?.members ?? [])].sort()).toEqual([...members].sort());
    }
  }
}

/** One change of an object, or of which sets are in use; the index and the facts are told alike. */
type Step = (cluster: SetCluster) => void;

const ips = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::1"].map(parseIp);
const names = ["a", "b", "c"] as const;
const namespaceNames = ["shop", "bank", "lab"] as const;

/** Some of these nothing may have as its own. */
const ownLabels = labelsOver([
  "app",
  "role",
  "constructor",
  "pcns.env",
  "projectcalico.org/namespace",
  "projectcalico.org/serviceaccount",
]);
const parentLabels = labelsOver(["env", "team", "projectcalico.org/name"]);

const namedPorts = fc.subarray([
  { name: "http", protocol: 6, port: 80 },
  { name: "http", protocol: 17, port: 80 },
  { name: "dns", protocol: 17, port: 53 },
]);

const podStep = fc
  .record({
    name: fc.constantFrom(...names),
    namespace: fc.constantFrom(...namespaceNames),
    there: oftenTrue(),
    labels: ownLabels,
    serviceAccount: fc.constantFrom("default", "robot"),
    node: fc.option(fc.constant(node), { nil: undefined, freq: 8 }),
    ips: fc.subarray(ips),
    finished: rarelyTrue(),
    hostNetwork: rarelyTrue(),
    namedPorts,
  })
  .map(
    ({ there, ...facts }): Step =>
      (cluster) => {
        const key = namespacedName(facts.namespace, facts.name);
        const pod: Pod = { ...facts, uid: "u", annotations: {}, annotatedIps: [] };
        put(cluster.pods, key, there ? pod : undefined);
        cluster.table.set(key, there ? pod : undefined);
        cluster.sets.podChanged(key);
      },
  );

const namespaceStep = fc
  .record({ name: fc.constantFrom(...namespaceNames), there: oftenTrue(), labels: parentLabels })
  .map(
    ({ name, there, labels }): Step =>
      (cluster) => {
        const before = cluster.namespaces.get(name);
        const namespace = there ? { name, labels, annotations: {} } : undefined;
        put(cluster.namespaces, name, namespace);
        cluster.table.setNamespace(name, namespace);
        cluster.sets.namespaceChanged(name, before);
      },
  );

const accountStep = fc
  .record({
    namespace: fc.constantFrom(...namespaceNames),
    name: fc.constantFrom("default", "robot"),
    there: oftenTrue(),
    labels: parentLabels,
  })
  .map(
    ({ there, ...account }): Step =>
      (cluster) => {
        const key = namespacedName(account.namespace, account.name);
        const before = cluster.accounts.get(key);
        put(cluster.accounts, key, there ? account : undefined);
        cluster.table.setServiceAccount(key, there ? account : undefined);
        cluster.sets.serviceAccountChanged(key, before);
      },
  );

const hostStep = fc
  .record({
    name: fc.constantFrom("a", "b"),
    there: oftenTrue(),
    labels: ownLabels,
    profiles: fc.shuffledSubarray(["kns.shop", "kns.bank", "projectcalico-default-allow"]),
    expectedIPs: fc.subarray(ips),
    ports: namedPorts,
  })
  .map(
    ({ name, there, labels, ...facts }): Step =>
      (cluster) => {
        const metadata = { name, labels, annotations: {} };
        const object = there ? { metadata, spec: { node, interfaceName: "eth0", ...facts } } : undefined;
        put(cluster.hosts, name, object);
        cluster.sets.setHostEndpoint(name, object);
      },
  );

const nets = fc.subarray(["10.0.0.0/8", "10.0.0.1/32", "fd00::/64", "192.168.0.0/16"].map(parseCidr));

const networkSetStep = fc
  .record({
    namespace: fc.option(fc.constantFrom(...namespaceNames), { nil: undefined }),
    name: fc.constantFrom("a", "b"),
    there: oftenTrue(),
    labels: ownLabels,
    nets,
  })
  .map(
    ({ namespace, name, there, labels, nets: own }): Step =>
      (cluster) => {
        const metadata = { name, labels, annotations: {}, ...(namespace !== undefined && { namespace }) };
        const object = there ? { metadata, spec: { nets: own } } : undefined;
        if (namespace === undefined) {
          put(cluster.globalSets, name, object);
          cluster.sets.setGlobalNetworkSet(name, object);
          return;
        }
        const key = namespacedName(namespace, name);
        put(cluster.networkSets, key, object);
        cluster.sets.setNetworkSet(key, object);
      },
  );

const sliceStep = fc
  .record({
    name: fc.constantFrom(...names),
    there: oftenTrue(),
    service: fc.constantFrom("web", "db", undefined),
    addresses: fc.array(fc.constantFrom(...ips), { maxLength: 3 }),
    endpoints: fc.constant([]),
    ports: fc.subarray([
      { protocol: 6, port: 80 },
      { protocol: 17, port: 53 },
    ]),
  })
  .map(
    ({ there, ...slice }): Step =>
      (cluster) => {
        const key = namespacedName("shop", slice.name);
        const object = there ? { namespace: "shop", ...slice } : undefined;
        put(cluster.slices, key, object);
        cluster.sets.setEndpointSlice(key, object);
      },
  );

const selectors = [
  "all()",
  "projectcalico.org/orchestrator == 'k8s'",
  "has(projectcalico.org/namespace)",
  "projectcalico.org/namespace == 'shop'",
  "projectcalico.org/namespace in {'shop', 'bank'} && app == 'x'",
  "projectcalico.org/serviceaccount in {'robot'}",
  "has(projectcalico.org/serviceaccount) && role != 'y'",
  "app == 'x'",
  "app in {'x', 'y'}",
  "app in {}",
  "!has(app)",
  "constructor == 'x' || role == 'x'",
  "has(role) && app not in {'x'}",
  "app == 'x' || !has(role)",
  "role starts with 'x' || pcns.env == 'x'",
  "pcns.env == 'x' && pcns.team == 'x'",
  "has(pcns.team) && projectcalico.org/orchestrator == 'k8s'",
  "pcns.env != 'x'",
  "pcns.projectcalico.org/name == 'shop'",
  "has(pcns.projectcalico.org/name)",
  "pcsa.env == 'x'",
  "has(pcsa.projectcalico.org/name)",
  "pcsa.projectcalico.org/name in {'robot', 'default'} && pcsa.team == 'y'",
];

const sources: readonly SetSource[] = [
  ...selectors.flatMap((text, index): SetSource[] => {
    const selector = parseSelector(text);
    const [address, port] = [`s:${index}`, `n:${index}`];
    return [
      { kind: "addresses", id: address as SetId, selector, namespace: undefined },
      { kind: "addresses", id: `${address}-shop` as SetId, selector, namespace: "shop" },
      { kind: "ports", id: port as SetId, selector, namespace: undefined, portName: "http", protocol: 6 },
      {
        kind: "ports",
        id: `${port}-shop` as SetId,
        selector,
        namespace: "shop",
        portName: "http",
        protocol: undefined,
      },
    ];
  }),
  ...["web", "db"].flatMap((name): SetSource[] => [
    { kind: "service-addresses", id: `svcnoport:${name}` as SetId, service: namespacedName("shop", name) },
    { kind: "service-ports", id: `svc:${name}` as SetId, service: namespacedName("shop", name) },
  ]),
];

const useStep = fc.constantFrom(...sources).map(
  (source): Step =>
    (cluster) => {
      if (cluster.used.has(source.id)) {
        cluster.used.delete(source.id);
        cluster.sets.release(source);
      } else {
        cluster.used.set(source.id, source);
        cluster.sets.use(source);
      }
    },
);

/** Any change, mostly of pods and of which sets are in use. */
export const setStep = fc.oneof(
  { arbitrary: podStep, weight: 6 },
  { arbitrary: namespaceStep, weight: 3 },
  { arbitrary: accountStep, weight: 2 },
  { arbitrary: hostStep, weight: 2 },
  { arbitrary: networkSetStep, weight: 2 },
  { arbitrary: sliceStep, weight: 2 },
  { arbitrary: useStep, weight: 8 },
);

function labelsOver(keys: readonly string[]): fc.Arbitrary<Labels> {
  return fc.dictionary(fc.constantFrom(...keys), fc.constantFrom("x", "y", "shop"), { maxKeys: 3 });
}

function oftenTrue(): fc.Arbitrary<boolean> {
  return fc.integer({ min: 0, max: 4 }).map((value) => value > 0);
}

function rarelyTrue(): fc.Arbitrary<boolean> {
  return oftenTrue().map((value) => !value);
}

function put<K, V>(map: Map<K, V>, key: K, value: V | undefined): void {
  if (value === undefined) map.delete(key);
  else map.set(key, value);
}
