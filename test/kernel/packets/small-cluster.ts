import { parseGlobalNetworkPolicy } from "../../../src/api/global-network-policy.ts";
import { parseHostEndpoint } from "../../../src/api/host-endpoint.ts";
import { type NodeName, namespacedName } from "../../../src/api/names.ts";
import { attachmentKey } from "../../../src/api/objects.ts";
import { emptySnapshot } from "../../../src/api/snapshot.ts";
import type { Party } from "../../oracle/parties.ts";
import type { Cluster } from "../../oracle/random-cluster.ts";
import { attachmentOf, blockOf, nodes, podOf } from "../../oracle/random-pods.ts";

/** The node that has the pods. */
export const home = nodes[0] as NodeName;

/**
 * Two pods on the node `home`, `pod-0` with the label `app: a` and `pod-1` with `app: b`, and these GlobalNetworkPolicies, by
 * their names, as the API has them. With `hostLabels` the node's `eth0` is a host endpoint that allows what no policy decides.
 */
export function smallCluster(
  policies: Readonly<Record<string, object>>,
  hostLabels?: Readonly<Record<string, string>>,
): Cluster {
  const namespace = { name: "ns-1", labels: {}, annotations: {} };
  const facts = {
    node: home,
    namespace: namespace.name,
    serviceAccount: "default",
    namedPorts: [],
    state: "running",
  } as const;
  const pods = ["a", "b"].map((app, index) => podOf(index, { ...facts, labels: { app } }));
  const attachments = pods.map((pod, index) => attachmentOf(index, pod));
  const hostEndpoint = parseHostEndpoint({
    ...{ apiVersion: "projectcalico.org/v3", kind: "HostEndpoint", metadata: { name: "eth0", labels: hostLabels } },
    spec: { node: home, interfaceName: "eth0", profiles: ["projectcalico-default-allow"] },
  });
  const parsed = Object.entries(policies).map(([name, spec]) =>
    parseGlobalNetworkPolicy({
      apiVersion: "projectcalico.org/v3",
      kind: "GlobalNetworkPolicy",
      metadata: { name },
      spec,
    }),
  );
  return {
    seed: 0,
    attachments: new Map([[home, new Map(attachments.map((one) => [attachmentKey(one), one]))]]),
    snapshot: {
      ...emptySnapshot(),
      namespace: new Map([[namespace.name, namespace]]),
      pod: new Map(pods.map((pod) => [namespacedName(pod.namespace, pod.name), pod])),
      ipamBlock: new Map(["10.0.0.0/29", "fd00::/125"].map((cidr) => [cidr, blockOf(cidr, pods)])),
      globalNetworkPolicy: new Map(parsed.map((policy) => [policy.metadata.name, policy])),
      hostEndpoint: new Map(hostLabels === undefined ? [] : [["eth0", hostEndpoint]]),
    },
  };
}

/** The pod of that place in it, by one of its addresses. */
export function podParty(cluster: Cluster, index: 0 | 1, version: 4 | 6): Party {
  const attachment = [...(cluster.attachments.get(home)?.values() ?? [])][index];
  const ip = attachment?.addresses[version === 4 ? 0 : 1];
  if (attachment === undefined || ip === undefined) throw new Error(`Cannot find pod ${index} of the small cluster`);
  return { ip, pod: attachment.pod };
}
