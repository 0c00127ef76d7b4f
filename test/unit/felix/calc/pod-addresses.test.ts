import { expect, test } from "vitest";
import { type NodeName, namespacedName } from "../../../../src/api/names.ts";
import { type Attachment, attachmentKey, type Pod } from "../../../../src/api/objects.ts";
import { AddressHolders } from "../../../../src/felix/calc/address-holders.ts";
import { AttachmentTable } from "../../../../src/felix/calc/attachment-table.ts";
import { PodAddresses } from "../../../../src/felix/calc/pod-addresses.ts";
import { PodTable } from "../../../../src/felix/calc/pod-table.ts";
import { parseIp } from "../../../../src/net/ip.ts";

const node = "node-1" as NodeName;
const web = namespacedName("shop", "web");

test("a pod that this node has wired is known by its address before anybody reports it", () => {
  expect(addressesWith({ ips: [] }, ["10.0.0.9"])).toEqual(["10.0.0.9"]);
});

test("an address that is wired and reported is one address", () => {
  expect(addressesWith({ ips: ["10.0.0.9"] }, ["10.0.0.9", "fd00::9"])).toEqual(["10.0.0.9", "fd00::9"]);
});

test.each([
  ["has finished", { finished: true }],
  ["was made anew", { uid: "another" }],
  ["is bound to another node", { node: "node-2" as NodeName }],
])("the address that a pod had here which %s is not its own", (_, facts) => {
  expect(addressesWith({ ips: [], ...facts }, ["10.0.0.9"])).toEqual([]);
});

// --- internal ---

type Facts = Partial<Omit<Pod, "ips">> & { readonly ips: readonly string[] };

function addressesWith({ ips, ...facts }: Facts, wired: readonly string[]): readonly string[] {
  const pods = new PodTable();
  const attachments = new AttachmentTable();
  pods.set(web, { ...pod, ...facts, ips: ips.map((ip) => parseIp(ip)) });
  const attachment = { ...attached, addresses: wired.map((ip) => parseIp(ip)) };
  attachments.set(attachmentKey(attachment), attachment);
  return new PodAddresses({ node, pods, attachments, holders: new AddressHolders() }).of(web);
}

const pod: Omit<Pod, "ips"> = {
  namespace: "shop",
  name: "web",
  uid: "uid-web",
  labels: {},
  annotations: {},
  node,
  serviceAccount: "default",
  annotatedIps: [],
  hostNetwork: false,
  namedPorts: [],
  finished: false,
};

const attached: Omit<Attachment, "addresses"> = {
  containerId: "c-web",
  interfaceName: "eth0",
  hostInterface: "cali1",
  netns: "/run/netns/web",
  pod: web,
  podUid: "uid-web",
  mtu: 1500,
};
