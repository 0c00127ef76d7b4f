/** Calico's staged policies, which decide nothing. */
import { applied, type Case, calicoObject, networkPolicy } from "./case.ts";
import type { KubeObject } from "./objects.ts";

const inX = { namespaceSelector: "team == 'x'" };
const source = (namespaceSelector: string) => ({ source: { namespaceSelector } });
const y = source("team == 'y'");
const z = source("team == 'z'");
const tier = (name: string, order: number) => calicoObject("Tier", { name }, { order, defaultAction: "Deny" });

/** For the pods of x, of ingress alone. */
function forX(name: string, spec: { readonly order: number }, ...ingress: readonly object[]): KubeObject {
  return calicoObject("GlobalNetworkPolicy", { name }, { ...inX, types: ["Ingress"], ...spec, ingress });
}

const letsY = networkPolicy("x", "lets", {
  podSelector: {},
  ingress: [{ from: [{ namespaceSelector: { matchLabels: { team: "y" } } }] }],
});

/** Cases of staged policies. */
export const tierStagedCases: readonly Case[] = [
  {
    name: "a staged policy decides nothing",
    source: "staged policies are counted and never enforced",
    change: applied(
      calicoObject("StagedGlobalNetworkPolicy", { name: "staged" }, { ...inX, types: ["Ingress", "Egress"] }),
      calicoObject(
        "StagedNetworkPolicy",
        { namespace: "x", name: "staged" },
        { selector: "all()", ingress: [{ action: "Deny" }] },
      ),
      calicoObject(
        "StagedKubernetesNetworkPolicy",
        { namespace: "x", name: "staged" },
        { podSelector: {}, policyTypes: ["Ingress"] },
      ),
    ),
    becomes: [],
  },
  {
    name: "a tier with staged policies alone never drops",
    source: "end of tier: only with at least one policy that is not staged",
    before: [tier("stage", 100)],
    change: applied(
      calicoObject(
        "StagedGlobalNetworkPolicy",
        { name: "staged" },
        { ...inX, tier: "stage", types: ["Ingress"], ingress: [{ action: "Deny", ...y }] },
      ),
      letsY,
    ),
    becomes: ["deny any -> x/*", "allow y/* -> x/*"],
  },
  {
    name: "a staged policy beside an enforced one leaves the decision to it",
    source: "staged policies are counted and never enforced",
    before: [forX("enforced", { order: 20 }, { action: "Allow", ...z })],
    was: ["deny any -> x/*", "allow z/* -> x/*"],
    change: applied(
      calicoObject(
        "StagedGlobalNetworkPolicy",
        { name: "staged" },
        { ...inX, order: 10, types: ["Ingress"], ingress: [{ action: "Allow", ...y }, { action: "Deny" }] },
      ),
    ),
    becomes: ["deny any -> x/*", "allow z/* -> x/*"],
  },
];
