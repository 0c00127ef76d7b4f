import { expect, test } from "vitest";
import { type NodeName, namespacedName } from "../../../../src/api/names.ts";
import { type Attachment, attachmentKey, type Pod } from "../../../../src/api/objects.ts";
import { AddressHolders } from "../../../../src/felix/calc/address-holders.ts";
import { AttachmentTable } from "../../../../src/felix/calc/attachment-table.ts";
import type { SetSource } from "../../../../src/felix/calc/compiled-policy.ts";
import type { SetId } from "../../../../src/felix/calc/plan.ts";
import { PodAddresses } from "../../../../src/felix/calc/pod-addresses.ts";
import { PodTable } from "../../../../src/felix/calc/pod-table.ts";
import { SetIndex } from "../../../../src/felix/calc/set-index.ts";
import { parseIp } from "../../../../src/net/ip.ts";

const id = "s:test" as SetId;
const thisNode = "node-1" as NodeName;
const everyPod: SetSource = { kind: "addresses", id, selector: { kind: "all" }, namespace: undefined };

test("a set that is given up and taken up again between two plans is the same object", () => {
  const { sets } = indexWith(podAt("a", "10.0.0.1"));
  sets.use(everyPod);
  const before = sets.plans();
  sets.release(everyPod);
  sets.use(everyPod);
  expect(sets.plans()).toBe(before);
});

test("it stays until its last user has gone", () => {
  const { sets } = indexWith(podAt("a", "10.0.0.1"));
  sets.use(everyPod);
  sets.use(everyPod);
  sets.release(everyPod);
  expect([...sets.plans().keys()]).toEqual([id]);
  sets.release(everyPod);
  expect([...sets.plans().keys()]).toEqual([]);
});

test("a set limited to a namespace does not look at other pods", () => {
  const { sets } = indexWith(podAt("a", "10.0.0.1"), { ...podAt("b", "10.0.0.2"), namespace: "other" });
  sets.use({ ...everyPod, namespace: "shop" });
  expect(sets.plans().get(id)?.members).toEqual(new Set(["10.0.0.1"]));
});

test("of sets with one selector each is kept up while it is used, within its own namespace", () => {
  const { pods, sets } = indexWith(podAt("a", "10.0.0.1"));
  const other: SetSource = { ...everyPod, id: "s:other" as SetId };
  const elsewhere: SetSource = { ...everyPod, id: "s:elsewhere" as SetId, namespace: "bank" };
  for (const set of [everyPod, other, elsewhere]) sets.use(set);
  const membersWith = (name: string, address: string) => {
    pods.set(namespacedName("shop", name), podAt(name, address));
    sets.podChanged(namespacedName("shop", name));
    return [everyPod, other, elsewhere].map((set) => sets.plans().get(set.id)?.members.size);
  };
  expect(membersWith("b", "10.0.0.2")).toEqual([2, 2, 0]);
  sets.release(everyPod);
  expect(membersWith("c", "10.0.0.3")).toEqual([undefined, 3, 0]);
});

test("an address that comes and goes between two plans changes nothing", () => {
  const { pods, sets } = indexWith(podAt("a", "10.0.0.1"));
  sets.use(everyPod);
  const before = sets.plans();
  const late = podAt("b", "10.0.0.2");
  for (const pod of [late, undefined]) {
    pods.set(namespacedName("shop", "b"), pod);
    sets.podChanged(namespacedName("shop", "b"));
  }
  expect(sets.plans()).toBe(before);
});

test.for<[string, Partial<Pod>]>([
  ["that no node has yet", { node: undefined }],
  ["that has finished", { finished: true }],
  ["on its node's own network", { hostNetwork: true }],
])("the address that a pod %s names is no member", ([, facts]) => {
  const { sets } = indexWith(podAt("a", "10.0.0.1"), { ...podAt("b", "10.0.0.2"), ...facts });
  sets.use(everyPod);
  expect(sets.plans().get(id)?.members).toEqual(new Set(["10.0.0.1"]));
});

test("an address that the node gives a pod later is a member from then on", () => {
  const { pods, sets, attachments } = indexWith({ ...podAt("a", "10.0.0.1"), ips: [] });
  sets.use(everyPod);
  expect(sets.plans().get(id)?.members).toEqual(new Set());
  const pod = namespacedName("shop", "a");
  const attachment = { ...attached, pod, addresses: [parseIp("10.0.0.9")] };
  attachments.set(attachmentKey(attachment), attachment);
  sets.podChanged(pod);
  expect(sets.plans().get(id)?.members).toEqual(new Set(["10.0.0.9"]));
  expect(pods.get(pod)?.ips).toEqual([]);
});

test("an address that two pods have stays until the second has gone", () => {
  const { pods, sets } = indexWith(podAt("a", "10.0.0.1"), podAt("b", "10.0.0.1"), podAt("c", "10.0.0.1"));
  sets.use(everyPod);
  const sizes = ["a", "b", "c"].map((name) => {
    pods.set(namespacedName("shop", name), undefined);
    sets.podChanged(namespacedName("shop", name));
    return sets.plans().get(id)?.members.size;
  });
  expect(sizes).toEqual([1, 1, 0]);
});

test("what went while nobody used the set is not in it when it is used again before the next plan", () => {
  const { pods, sets } = indexWith(podAt("a", "10.0.0.1"), podAt("b", "10.0.0.2"));
  sets.use(everyPod);
  sets.plans();
  sets.release(everyPod);
  pods.set(namespacedName("shop", "a"), undefined);
  sets.podChanged(namespacedName("shop", "a"));
  sets.use(everyPod);
  expect(sets.plans().get(id)?.members).toEqual(new Set(["10.0.0.2"]));
});

test("a pod that has another service account than before is found by its new one, also by a set that is new", () => {
  const { pods, sets } = indexWith(podAt("a", "10.0.0.1"));
  const label = "projectcalico.org/serviceaccount";
  const ofRobots: SetSource = { ...everyPod, selector: { kind: "==", label, value: "robot" } };
  pods.set(namespacedName("shop", "a"), { ...podAt("a", "10.0.0.1"), serviceAccount: "robot" });
  sets.podChanged(namespacedName("shop", "a"));
  sets.use(ofRobots);
  expect(sets.plans().get(id)?.members).toEqual(new Set(["10.0.0.1"]));
});

// --- internal ---

function indexWith(...all: Pod[]) {
  const pods = new PodTable();
  for (const name of ["shop", "other"]) pods.setNamespace(name, { name, labels: {}, annotations: {} });
  const sources = { node: thisNode, pods, attachments: new AttachmentTable(), holders: new AddressHolders() };
  const sets = new SetIndex(pods, new PodAddresses(sources));
  for (const pod of all) {
    pods.set(namespacedName(pod.namespace, pod.name), pod);
    sets.podChanged(namespacedName(pod.namespace, pod.name));
  }
  return { pods, sets, attachments: sources.attachments };
}

const attached: Omit<Attachment, "pod" | "addresses"> = {
  containerId: "c",
  interfaceName: "eth0",
  hostInterface: "cali1",
  netns: "/run/netns/a",
  podUid: "a",
  mtu: 1500,
};

function podAt(name: string, ip: string): Pod {
  return {
    namespace: "shop",
    name,
    uid: name,
    labels: {},
    annotations: {},
    node: thisNode,
    serviceAccount: "default",
    ips: [parseIp(ip)],
    annotatedIps: [],
    hostNetwork: false,
    namedPorts: [],
    finished: false,
  };
}
