/** The recipes of manifests/examples/recipes, each with its truth table; those of no namespace of their own applied to x. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import type { Case } from "./case.ts";
import type { KubeObject } from "./objects.ts";

/** Where they are. */
export const recipesFolder = join(import.meta.dirname, "../../../manifests/examples/recipes");

/** The objects of one recipe. */
function recipe(file: string): readonly KubeObject[] {
  const documents = parseAllDocuments(readFileSync(join(recipesFolder, file), "utf8"));
  return documents.map((document) => {
    const object = document.toJS() as KubeObject;
    if (object.kind !== "NetworkPolicy" || object.metadata.namespace !== undefined) return object;
    return { ...object, metadata: { ...object.metadata, namespace: "x" } };
  });
}

/** Recipes of Kubernetes NetworkPolicies, by file. */
export const kubernetesRecipes: Readonly<Record<string, readonly string[]>> = {
  "deny-all-ingress.yaml": ["deny any -> x/*"],
  "deny-all-egress.yaml": ["deny x/* -> any"],
  "deny-all.yaml": ["deny any -> x/*", "deny x/* -> any"],
  "allow-all-to-app.yaml": ["deny any -> x/b, x/c"],
  "limit-to-app.yaml": ["deny any -> x/b", "allow x/c -> x/b"],
  "deny-other-namespaces.yaml": ["deny any -> x/*", "allow x/* -> x/*"],
  "allow-from-namespace.yaml": ["deny any -> x/*", "allow y/* -> x/*"],
  "allow-from-labelled-namespaces.yaml": ["deny any -> x/a", "allow x/*, y/* -> x/a"],
  "allow-from-all-namespaces.yaml": ["deny any -> x/a", "allow pods -> x/a"],
  "allow-from-app-in-namespace.yaml": ["deny any -> x/*", "allow y/c -> x/*"],
  "allow-external.yaml": ["deny any -> x/*", "allow any -> x/a on TCP/80"],
  "allow-from-network.yaml": ["deny any -> x/a", "allow outside-1 -> x/a on TCP/80"],
  "allow-port-to-app.yaml": ["deny any -> x/a", "allow x/* -> x/a", "allow y/* -> x/a on TCP/81"],
  "allow-named-port.yaml": ["deny any -> x/*", "allow any -> x/a on TCP/80", "allow any -> x/b on TCP/81"],
  "egress-dns-only.yaml": ["deny x/* -> any", "allow x/* -> kube-system/dns on TCP/53, UDP/53"],
  "egress-inside-only.yaml": ["deny x/* -> any", "allow x/* -> pods"],
  "egress-without-metadata.yaml": ["deny x/* -> metadata"],
};

const tenants = "x/*, y/*, z/*";

/** Recipes of cluster-wide policies, by file. */
export const clusterRecipes: Readonly<Record<string, readonly string[]>> = {
  "cluster-deny-metadata.yaml": [`deny ${tenants} -> metadata`],
  "cluster-baseline-deny.yaml": ["deny z/* -> x/*, y/*"],
  "calico-default-deny.yaml": [
    `deny any -> ${tenants}`,
    `deny ${tenants} -> any`,
    `allow ${tenants} -> kube-system/dns on TCP/53, UDP/53`,
  ],
  "calico-blocklist.yaml": [`deny outside-2 -> pods`, `deny ${tenants} -> outside-2`],
};

/** A case for each of them, and that of a pod which is put into quarantine. */
export function recipeCases(recipes: Readonly<Record<string, readonly string[]>>): readonly Case[] {
  return Object.entries(recipes).map(([file, becomes]) => ({
    ...{ name: file, source: "the recipe's own first lines", becomes },
    change: [{ do: "apply", objects: recipe(file) }],
  }));
}

/** The recipe that shows itself only once a pod has its label. */
export const quarantineCase: Case = {
  name: "calico-quarantine.yaml",
  source: "the recipe's own first lines",
  before: recipe("calico-quarantine.yaml"),
  change: [{ do: "relabel pod", pod: "y/b", labels: { quarantine: "yes" } }],
  becomes: ["deny any -> y/b", "deny y/b -> any"],
};
