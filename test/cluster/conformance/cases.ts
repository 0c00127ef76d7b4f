import type { Case } from "./case.ts";
import { clusterPeerCases } from "./cluster-policy-peers.ts";
import { clusterTierCases } from "./cluster-policy-tiers.ts";
import { changeCases } from "./kubernetes-changes.ts";
import { hostCases } from "./kubernetes-hosts.ts";
import { ipBlockCases } from "./kubernetes-ip-blocks.ts";
import { isolationCases } from "./kubernetes-isolation.ts";
import { portCases } from "./kubernetes-ports.ts";
import { selectorCases } from "./kubernetes-selectors.ts";
import { clusterRecipes, kubernetesRecipes, quarantineCase, recipeCases } from "./recipes.ts";
import { tierHostCases } from "./tiers-hosts.ts";
import { tierOrderCases } from "./tiers-order.ts";
import { tierProtocolCases } from "./tiers-protocols.ts";
import { tierEntityCases } from "./tiers-rules.ts";
import { tierStagedCases } from "./tiers-staged.ts";

/** All cases of the conformance run, by subject. */
export const groups: Readonly<Record<string, readonly Case[]>> = {
  "Kubernetes: label selectors": selectorCases,
  "Kubernetes: ports": portCases,
  "Kubernetes: address blocks": ipBlockCases,
  "Kubernetes: isolation": isolationCases,
  "Kubernetes: hosts": hostCases,
  "Kubernetes: changes": changeCases,
  "ClusterNetworkPolicy: tiers": clusterTierCases,
  "ClusterNetworkPolicy: peers": clusterPeerCases,
  "Calico: order": tierOrderCases,
  "Calico: staged policies": tierStagedCases,
  "Calico: whom rules name": tierEntityCases,
  "Calico: protocols": tierProtocolCases,
  "Calico: hosts": tierHostCases,
  "recipes for a namespace": recipeCases(kubernetesRecipes),
  "recipes for a cluster": [...recipeCases(clusterRecipes), quarantineCase],
};
