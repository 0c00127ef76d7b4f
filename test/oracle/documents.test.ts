import fc from "fast-check";
import { expect, test } from "vitest";
import { parseCalicoNetworkPolicy } from "../../src/api/calico-network-policy.ts";
import { parseGlobalNetworkPolicy } from "../../src/api/global-network-policy.ts";
import { parseHostEndpoint } from "../../src/api/host-endpoint.ts";
import { parseClusterNetworkPolicy } from "../../src/api/kubernetes/cluster-network-policy.ts";
import { parseKubeNetworkPolicy } from "../../src/api/kubernetes/network-policy.ts";
import { parseGlobalNetworkSet, parseNetworkSet } from "../../src/api/network-set.ts";
import type { KindName } from "../../src/api/snapshot.ts";
import { parseStagedGlobalNetworkPolicy, parseStagedNetworkPolicy } from "../../src/api/staged-network-policy.ts";
import { parseTier } from "../../src/api/tier.ts";
import { type Document, documentsOf } from "./documents.ts";
import { cluster } from "./random-cluster.ts";

const readers: Readonly<Record<string, readonly [KindName, (json: unknown) => object]>> = {
  "networking.k8s.io/v1 NetworkPolicy": ["networkPolicy", parseKubeNetworkPolicy],
  "policy.networking.k8s.io/v1alpha2 ClusterNetworkPolicy": ["clusterNetworkPolicy", parseClusterNetworkPolicy],
  "projectcalico.org/v3 NetworkPolicy": ["calicoNetworkPolicy", parseCalicoNetworkPolicy],
  "projectcalico.org/v3 GlobalNetworkPolicy": ["globalNetworkPolicy", parseGlobalNetworkPolicy],
  "projectcalico.org/v3 StagedNetworkPolicy": ["stagedNetworkPolicy", parseStagedNetworkPolicy],
  "projectcalico.org/v3 StagedGlobalNetworkPolicy": ["stagedGlobalNetworkPolicy", parseStagedGlobalNetworkPolicy],
  "projectcalico.org/v3 Tier": ["tier", parseTier],
  "projectcalico.org/v3 NetworkSet": ["networkSet", parseNetworkSet],
  "projectcalico.org/v3 GlobalNetworkSet": ["globalNetworkSet", parseGlobalNetworkSet],
  "projectcalico.org/v3 HostEndpoint": ["hostEndpoint", parseHostEndpoint],
};

test("what is told of a cluster is what it is made of, read back", { timeout: 60_000 }, () => {
  const read = new Set<string>();
  for (const { snapshot } of fc.sample(cluster, 60)) {
    for (const document of documentsOf(snapshot)) {
      const kind = `${document["apiVersion"]} ${document["kind"]}`;
      const reader = readers[kind];
      // What is staged for deletion may say nothing else, and is in no plan whatever it says.
      if (reader === undefined || (document["spec"] as Document)["stagedAction"] === "Delete") continue;
      read.add(kind);
      const { namespace, name } = document["metadata"] as { namespace?: string; name: string };
      const key = namespace === undefined ? name : `${namespace}/${name}`;
      const made = (snapshot[reader[0]] as ReadonlyMap<string, object>).get(key);
      expect(essence(reader[1](document)), JSON.stringify(document)).toEqual(made && essence(made));
    }
  }
  expect([...read].sort()).toEqual(Object.keys(readers).sort());
});

// --- internal ---

/** Without what the API server adds. */
function essence(object: object): Document {
  const { metadata, revision: _, ...rest } = JSON.parse(JSON.stringify(object));
  return { ...rest, ...(metadata && { name: metadata.name, namespace: metadata.namespace, labels: metadata.labels }) };
}
