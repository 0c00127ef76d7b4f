import { apps, BenchCluster, environments, roles, teams, thisNode } from "../../../bench/policy/cluster.ts";
import { globalPolicyChanges } from "../../../bench/policy/policies.ts";
import type { Random } from "../../../bench/policy/random.ts";
import { parseIpPool } from "../../../src/api/ip-pool.ts";
import type { IpamBlock } from "../../../src/api/ipam-block.ts";
import { namespacedName } from "../../../src/api/names.ts";
import type { Pod } from "../../../src/api/objects.ts";
import type { Change } from "../../../src/api/snapshot.ts";
import { type Cidr, parseCidr } from "../../../src/net/cidr.ts";
import { ipFromNumber } from "../../../src/net/ip.ts";
import { ChurnPolicies } from "./churn-policies.ts";

/** How many pods and namespaces the cluster has, always. */
const size = { pods: 3000, namespaces: 60 };
/** Of the pods, so many are this node's: as `BenchCluster` places them. */
const localPods = 110;
const blockSize = 64;
const bigSetNets = 3000;

/**
 * A cluster that is never done changing and never grows: pods, policies, namespaces, sets of networks come and go under ever new
 * names and labels, so that whatever remembers one of them for good is found out. Which of this node's pods have an interface is
 * for the node to say, see `replaceLocal`.
 */
export class ChurnCluster {
  readonly #random: Random;
  readonly #cluster: BenchCluster;
  readonly #policies: ChurnPolicies;
  /** A pod for each address. */
  readonly #slots: Pod[];
  /** Namespaces that come and go, oldest first. */
  readonly #passing: string[] = [];
  readonly #steps: readonly (readonly [weight: number, step: () => readonly Change[]])[];
  #bigSet: readonly Cidr[] = Array.from({ length: bigSetNets }, (_, index) => netOf(index));
  #serial = 0;

  constructor(random: Random) {
    this.#random = random;
    this.#cluster = new BenchCluster(size, random);
    this.#policies = new ChurnPolicies(this.#cluster.namespaces, random);
    this.#slots = this.#cluster.pods.map((pod, slot) => {
      const labels = { ...pod.labels, release: releaseOf(++this.#serial) };
      return { ...pod, labels, ips: addressesOf(slot) };
    });
    this.#steps = [
      [34, () => this.#policies.change(++this.#serial)],
      [36, () => this.#flip()],
      [12, () => this.#replaceRemote()],
      [5, () => this.#relabel()],
      [4, () => this.#changeSlice()],
      [4, () => this.#changeFeed()],
      [2, () => this.#changeBigSet()],
      [2, () => this.#annotate()],
      [2, () => this.#passNamespace()],
      [1, () => this.#changeHost()],
    ];
  }

  /** All that is there at the beginning, without this node's attachments. */
  *changes(): Iterable<Change> {
    for (const change of this.#cluster.changes()) {
      if (!["pod", "ipamBlock", "attachment"].includes(change.kind)) yield change;
    }
    for (const pod of this.#slots) yield podChange(pod, pod);
    for (let slot = 0; slot < this.#slots.length; slot += blockSize) yield this.#blockOf(slot);
    yield* globalPolicyChanges(this.#random);
    yield* this.#policies.changes();
    yield this.#bigSetChange();
    yield poolChange(true);
  }

  /** One thing happens somewhere. */
  step(): readonly Change[] {
    let at = this.#random.below(this.#steps.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, step] of this.#steps) {
      if (at < weight) return step();
      at -= weight;
    }
    return [];
  }

  /** What is seldom, as it touches every endpoint. */
  upheaval(): readonly Change[] {
    if (this.#random.chance(50)) return [poolChange(this.#random.chance(50))];
    const metadata = { name: "platform", labels: {}, annotations: {} };
    const defaultAction = this.#random.chance(50) ? "Pass" : "Deny";
    return [
      {
        kind: "tier",
        key: "platform",
        value: { metadata, spec: { order: 90 + this.#random.below(30), defaultAction } },
      },
    ];
  }

  /** The pod of one of this node's addresses. */
  localPod(slot: number): Pod {
    return this.#podAt(slot);
  }

  /** Slots of this node's pods. */
  get localSlots(): number {
    return localPods;
  }

  /** Another pod comes for that of the slot, which ends. */
  replace(slot: number): { readonly pod: Pod; readonly changes: readonly Change[] } {
    const before = this.#podAt(slot);
    const serial = ++this.#serial;
    const pod: Pod = {
      ...before,
      name: `${before.labels["app"]}-${serial.toString(36)}`,
      uid: `00000000-0000-4000-9000-${String(serial).padStart(12, "0")}`,
      labels: { ...before.labels, role: this.#random.oneOf(roles), release: releaseOf(serial) },
      annotations: {},
      namedPorts: this.#random.chance(60) ? [{ name: "http", protocol: 6, port: 8080 + this.#random.below(5) }] : [],
    };
    this.#slots[slot] = pod;
    return { pod, changes: [podChange(before, undefined), podChange(pod, pod), this.#blockOf(slot)] };
  }

  #replaceRemote(): readonly Change[] {
    return this.replace(localPods + this.#random.below(this.#slots.length - localPods)).changes;
  }

  #flip(): readonly Change[] {
    const slot = this.#random.below(this.#random.chance(25) ? localPods : this.#slots.length);
    const pod = this.#podAt(slot);
    const kind = this.#random.below(100);
    const label =
      kind < 50
        ? { app: this.#random.oneOf(apps) }
        : kind < 80
          ? { role: this.#random.oneOf(roles) }
          : { release: releaseOf(++this.#serial) };
    return [this.#put(slot, { ...pod, labels: { ...pod.labels, ...label } })];
  }

  /** Shaping, DSCP and floating addresses for one of this node's. */
  #annotate(): readonly Change[] {
    const slot = this.#random.below(localPods);
    const mbits = 10 + this.#random.below(90);
    const all = [
      {},
      { "kubernetes.io/ingress-bandwidth": `${mbits}M`, "kubernetes.io/egress-bandwidth": `${mbits}M` },
      { "qos.projectcalico.org/dscp": `${this.#random.below(64)}` },
      { "cni.projectcalico.org/floatingIPs": JSON.stringify([ipFromNumber(0x0a400000n + BigInt(slot), 4)]) },
    ];
    return [this.#put(slot, { ...this.#podAt(slot), annotations: this.#random.oneOf(all) })];
  }

  #relabel(): readonly Change[] {
    const namespace = this.#random.oneOf(this.#cluster.namespaces);
    const label = this.#random.chance(50)
      ? { env: this.#random.oneOf(environments) }
      : { team: this.#random.oneOf(teams), wave: `w-${++this.#serial}` };
    const value = { ...namespace, labels: { ...namespace.labels, ...label } };
    return [{ kind: "namespace", key: value.name, value }];
  }

  /** One comes, with what is in it; when there are several, the oldest goes. */
  #passNamespace(): readonly Change[] {
    const name = `passing-${++this.#serial}`;
    this.#passing.push(name);
    const gone = this.#passing.length > 10 ? this.#passing.shift() : undefined;
    const labels = { env: this.#random.oneOf(environments), team: this.#random.oneOf(teams) };
    const metadata = { name: "partners", namespace: name, labels: { kind: "partner" }, annotations: {} };
    const nets = [netOf(this.#random.below(9999))];
    const account = { namespace: name, name: "default", labels: { tier: this.#random.oneOf(roles) } };
    return [
      { kind: "namespace", key: name, value: { name, labels, annotations: {} } },
      { kind: "serviceAccount", key: namespacedName(name, "default"), value: account },
      { kind: "networkSet", key: namespacedName(name, "partners"), value: { metadata, spec: { nets } } },
      ...(gone === undefined ? [] : goneNamespace(gone)),
    ];
  }

  #changeSlice(): readonly Change[] {
    const { name: namespace } = this.#random.oneOf(this.#cluster.namespaces);
    const service = this.#random.oneOf(["web", "api"]);
    const addresses = [0, 1, 2].flatMap(() => this.#random.oneOf(this.#slots).ips);
    const ports = [{ protocol: 6, port: 8080 + this.#random.below(3) }];
    const value = { namespace, name: `${service}-1`, service, addresses, endpoints: [], ports };
    return [{ kind: "endpointSlice", key: namespacedName(namespace, value.name), value }];
  }

  #changeFeed(): readonly Change[] {
    const index = this.#random.below(200);
    const metadata = { name: `feed-${index}`, labels: { feed: `feed-${index % 20}` }, annotations: {} };
    const nets = Array.from({ length: 40 + this.#random.below(20) }, () => netOf(this.#random.below(40_000)));
    return [{ kind: "globalNetworkSet", key: metadata.name, value: { metadata, spec: { nets } } }];
  }

  #changeBigSet(): readonly Change[] {
    const at = this.#random.below(bigSetNets);
    this.#bigSet = this.#bigSet.with(at, netOf(this.#random.below(40_000)));
    return [this.#bigSetChange()];
  }

  /** Policies of the first feed select it too. */
  #bigSetChange(): Change {
    const metadata = { name: "feed-big", labels: { feed: "feed-0" }, annotations: {} };
    return { kind: "globalNetworkSet", key: metadata.name, value: { metadata, spec: { nets: this.#bigSet } } };
  }

  #changeHost(): readonly Change[] {
    const node = this.#random.chance(50) ? thisNode : ("node-1" as typeof thisNode);
    const labels = { host: this.#random.chance(80) ? "yes" : `no-${++this.#serial}` };
    const metadata = { name: `${node}-auto-hep`, labels, annotations: {} };
    const expectedIPs = [ipFromNumber(node === thisNode ? 0x0a800000n : 0x0a800001n, 4)];
    const spec = { node, interfaceName: "*", expectedIPs, profiles: ["projectcalico-default-allow"], ports: [] };
    return [{ kind: "hostEndpoint", key: metadata.name, value: { metadata, spec } }];
  }

  #put(slot: number, pod: Pod): Change {
    this.#slots[slot] = pod;
    return podChange(pod, pod);
  }

  #podAt(slot: number): Pod {
    const pod = this.#slots[slot];
    if (pod === undefined) throw new Error(`Cannot tell the pod of slot ${slot}: there are ${this.#slots.length}`);
    return pod;
  }

  #blockOf(slot: number): Change {
    const first = slot - (slot % blockSize);
    const held = this.#slots.slice(first, first + blockSize);
    const cidr = parseCidr(`${addressesOf(first)[0]}/26`);
    const value = {
      metadata: { name: cidr.replaceAll(/[./]/g, "-"), labels: {}, annotations: {}, resourceVersion: "1" },
      spec: {
        cidr,
        affinity: `host:${held[0]?.node}`,
        allocations: Array.from({ length: blockSize }, (_, ordinal) => (ordinal < held.length ? ordinal : null)),
        unallocated: Array.from({ length: blockSize - held.length }, (_, index) => held.length + index),
        attributes: held.map((pod) => ({
          handle_id: `k8s-pod-network.${pod.uid}`,
          secondary: { namespace: pod.namespace, pod: pod.name, node: pod.node ?? "" },
        })),
        sequenceNumber: 1n,
        sequenceNumberForAllocation: {},
        deleted: false,
      },
    } as unknown as IpamBlock;
    return { kind: "ipamBlock", key: value.metadata.name, value };
  }
}

// --- internal ---

const releaseOf = (serial: number) => `r-${serial}`;

/** Every third pod has an IPv6 address too. */
function addressesOf(slot: number): Pod["ips"] {
  const six = slot % 3 === 0 ? [ipFromNumber((0xfd00n << 112n) + BigInt(slot + 1), 6)] : [];
  return [ipFromNumber(0x0a000000n + BigInt(slot), 4), ...six];
}

function netOf(index: number): Cidr {
  return parseCidr(`${100 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}.0/24`);
}

function podChange({ namespace, name }: Pod, value: Pod | undefined): Change {
  return { kind: "pod", key: namespacedName(namespace, name), value };
}

function goneNamespace(name: string): readonly Change[] {
  return [
    { kind: "networkSet", key: namespacedName(name, "partners"), value: undefined },
    { kind: "serviceAccount", key: namespacedName(name, "default"), value: undefined },
    { kind: "namespace", key: name, value: undefined },
  ];
}

function poolChange(natOutgoing: boolean): Change {
  const value = parseIpPool({ metadata: { name: "pods" }, spec: { cidr: "10.0.0.0/9", natOutgoing } });
  return { kind: "ipPool", key: "pods", value };
}
