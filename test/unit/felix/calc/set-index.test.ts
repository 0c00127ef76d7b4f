import { expect, test } from "vitest";
import { type NodeName, namespacedName } from "../../../../src/api/names.ts";
import type { Pod } from "../../../../src/api/objects.ts";
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
const everyPod: SetSource = { id, selector: { kind: "all" }, namespace: undefined };

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

// --- internal ---

function indexWith(...all: Pod[]): { readonly pods: PodTable; readonly sets: SetIndex } {
  const pods = new PodTable();
  for (const name of ["shop", "other"]) pods.setNamespace(name, { name, labels: {}, annotations: {} });
  for (const pod of all) pods.set(namespacedName(pod.namespace, pod.name), pod);
  return {
    pods,
    sets: new SetIndex(
      pods,
      new PodAddresses({ node: thisNode, pods, attachments: new AttachmentTable(), holders: new AddressHolders() }),
    ),
  };
}

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
    finished: false,
  };
}
