/** Calico's tiers and policies: their order, their actions, and who has them. */
import { applied, type Case, calicoObject, clusterPolicy, networkPolicy } from "./case.ts";
import type { KubeObject } from "./objects.ts";

const tier = (name: string, order: number, defaultAction = "Deny") =>
  calicoObject("Tier", { name }, { order, defaultAction });
const inX = { namespaceSelector: "team == 'x'" };
const source = (namespaceSelector: string) => ({ source: { namespaceSelector } });
const y = source("team == 'y'");
const z = source("team == 'z'");

/** For the pods of x, of ingress alone. */
function forX(
  name: string,
  spec: { readonly tier?: string; readonly order?: number },
  ...ingress: readonly object[]
): KubeObject {
  return calicoObject("GlobalNetworkPolicy", { name }, { ...inX, types: ["Ingress"], ...spec, ingress });
}

const letsY = networkPolicy("x", "lets", {
  podSelector: {},
  ingress: [{ from: [{ namespaceSelector: { matchLabels: { team: "y" } } }] }],
});
const order = "order: policies with lower order come first; those without come last, and equals by name";
const drop =
  "traffic that a tier's policies apply to and that none of their rules decides is dropped, by the tier's defaultAction Deny";
const passes = "Pass: evaluation goes on with the first policy of the next tier that applies to the endpoint";
const skipped = "a tier in which no policy applies to the endpoint in that direction is skipped";
const kubernetes = "Kubernetes NetworkPolicies stand in tier default at order 1000";
const typed = "types: when absent, Ingress without egress rules, Egress with egress rules alone, both with both";

const inDefault: readonly Case[] = [
  {
    name: "a policy applies and drops what no rule decides",
    source: drop,
    change: applied(forX("lets-y", {}, { action: "Allow", ...y })),
    becomes: ["deny any -> x/*", "allow y/* -> x/*"],
  },
  {
    name: "a lower order decides first",
    source: order,
    change: applied(
      forX("first", { order: 10 }, { action: "Deny", ...y }),
      forX("second", { order: 20 }, { action: "Allow" }),
    ),
    becomes: ["deny y/* -> x/*"],
  },
  {
    name: "a policy without order comes last",
    source: order,
    change: applied(forX("a", {}, { action: "Deny", ...y }), forX("b", { order: 5000 }, { action: "Allow", ...y })),
    becomes: ["deny any -> x/*", "allow y/* -> x/*"],
  },
  {
    name: "equal orders go by name",
    source: order,
    change: applied(
      forX("b", { order: 7 }, { action: "Deny", ...y }, { action: "Allow" }),
      forX("a", { order: 7 }, { action: "Allow", source: { selector: "pod == 'a'" } }),
    ),
    becomes: ["deny y/* -> x/*", "allow y/a -> x/*"],
  },
  {
    name: "a policy's order is edited",
    source: order,
    before: [forX("moves", { order: 10 }, { action: "Allow", ...y }), forX("stays", { order: 20 }, { action: "Deny" })],
    was: ["deny any -> x/*", "allow y/* -> x/*"],
    change: applied(forX("moves", { order: 30 }, { action: "Allow", ...y })),
    becomes: ["deny any -> x/*"],
  },
  {
    name: "a policy before order 1000 decides before Kubernetes NetworkPolicies",
    source: kubernetes,
    before: [letsY],
    was: ["deny any -> x/*", "allow y/* -> x/*"],
    change: applied(
      forX("early", { order: 999 }, { action: "Deny", source: { selector: "pod == 'b'" } }, { action: "Allow", ...z }),
    ),
    becomes: ["deny any -> x/*", "allow y/*, z/* -> x/*", "deny */b -> x/*"],
  },
  {
    name: "a policy after order 1000 decides what Kubernetes NetworkPolicies leave",
    source: kubernetes,
    before: [letsY],
    was: ["deny any -> x/*", "allow y/* -> x/*"],
    change: applied(forX("late", { order: 1001 }, { action: "Deny", ...y }, { action: "Allow", ...z })),
    becomes: ["deny any -> x/*", "allow y/*, z/* -> x/*"],
  },
  {
    name: "without types and with egress rules alone ingress stays open",
    source: typed,
    change: applied(
      calicoObject(
        "NetworkPolicy",
        { namespace: "x", name: "out" },
        { selector: "pod == 'a'", egress: [{ action: "Allow", destination: { nets: ["172.18.9.10/32"] } }] },
      ),
    ),
    becomes: ["deny x/a -> any", "allow x/a -> outside-1"],
  },
  {
    name: "without types and with both lists of rules both directions are policed",
    source: typed,
    change: applied(
      calicoObject(
        "NetworkPolicy",
        { namespace: "x", name: "both" },
        { selector: "pod == 'a'", ingress: [{ action: "Allow", ...y }], egress: [{ action: "Allow" }] },
      ),
    ),
    becomes: ["deny any -> x/a", "allow y/* -> x/a"],
  },
  {
    name: "without types and rules ingress is isolated",
    source: typed,
    change: applied(calicoObject("NetworkPolicy", { namespace: "x", name: "none" }, { selector: "pod in {'a', 'c'}" })),
    becomes: ["deny any -> x/a, x/c"],
  },
  {
    name: "Pass in tier default goes to the pod's profile, which allows",
    source: passes,
    change: applied(forX("passes", { order: 1 }, { action: "Pass", ...z }, { action: "Deny" })),
    becomes: ["deny any -> x/*", "allow z/* -> x/*"],
  },
];

const tiers: readonly Case[] = [
  {
    name: "a tier of lower order decides first",
    source: "tiers with lower order come first",
    change: applied(
      tier("order-1", 100),
      tier("order-2", 200),
      forX("second", { tier: "order-2" }, { action: "Allow" }),
      forX("first", { tier: "order-1" }, { action: "Deny", ...y }, { action: "Pass" }),
    ),
    becomes: ["deny y/* -> x/*"],
  },
  {
    name: "tiers exchange their order",
    source: "tiers with lower order come first",
    before: [
      tier("swap-1", 100),
      tier("swap-2", 200),
      forX("swap-a", { tier: "swap-1" }, { action: "Deny" }),
      forX("swap-b", { tier: "swap-2" }, { action: "Allow", ...z }),
    ],
    was: ["deny any -> x/*"],
    change: [{ do: "apply", objects: [tier("swap-1", 300), tier("swap-2", 200, "Pass")] }],
    becomes: ["deny any -> x/*", "allow z/* -> x/*"],
  },
  {
    name: "a tier's defaultAction Deny drops before the next tier is asked",
    source: drop,
    before: [letsY],
    was: ["deny any -> x/*", "allow y/* -> x/*"],
    change: applied(tier("drops", 100), forX("only-z", { tier: "drops" }, { action: "Allow", ...z })),
    becomes: ["deny any -> x/*", "allow z/* -> x/*"],
  },
  {
    name: "a tier's defaultAction Pass leaves the rest to the next tier",
    source: "defaultAction Pass: what no rule decides goes on to the next tier",
    before: [letsY],
    was: ["deny any -> x/*", "allow y/* -> x/*"],
    change: applied(
      tier("passes", 100, "Pass"),
      forX(
        "only-z",
        { tier: "passes" },
        { action: "Allow", ...z },
        { action: "Deny", source: { namespaceSelector: "team == 'y'", selector: "pod == 'c'" } },
      ),
    ),
    becomes: ["deny any -> x/*", "allow z/*, y/a, y/b -> x/*"],
  },
  {
    name: "Pass skips the rest of its tier",
    source: passes,
    change: applied(
      tier("skips", 100),
      forX("one", { tier: "skips", order: 1 }, { action: "Pass", ...y }),
      forX("two", { tier: "skips", order: 2 }, { action: "Deny" }),
    ),
    becomes: ["deny any -> x/*", "allow y/* -> x/*"],
  },
  {
    name: "Pass leads to a Kubernetes NetworkPolicy",
    source: passes,
    before: [letsY],
    was: ["deny any -> x/*", "allow y/* -> x/*"],
    change: applied(
      tier("delegates", 100),
      forX(
        "delegate",
        { tier: "delegates" },
        { action: "Deny", source: { selector: "pod == 'c'" } },
        { action: "Pass" },
      ),
    ),
    becomes: ["deny any -> x/*", "allow y/a, y/b -> x/*"],
  },
  {
    name: "a tier without a policy for the pod is skipped",
    source: skipped,
    change: applied(
      tier("elsewhere", 100),
      calicoObject(
        "GlobalNetworkPolicy",
        { name: "for-y" },
        { tier: "elsewhere", namespaceSelector: "team == 'y'", types: ["Ingress"] },
      ),
    ),
    becomes: ["deny any -> y/*"],
  },
  {
    name: "a tier with a policy of the other direction alone is skipped",
    source: skipped,
    before: [tier("one-way", 100)],
    change: applied(
      calicoObject(
        "GlobalNetworkPolicy",
        { name: "out" },
        { tier: "one-way", ...inX, types: ["Egress"], egress: [{ action: "Pass" }] },
      ),
      letsY,
    ),
    becomes: ["deny any -> x/*", "allow y/* -> x/*"],
  },
  {
    name: "a tier behind default decides for pods that nothing in default selects",
    source: skipped,
    before: [
      networkPolicy("x", "to-a", {
        podSelector: { matchLabels: { pod: "a" } },
        ingress: [{ from: [{ namespaceSelector: { matchLabels: { team: "y" } } }] }],
      }),
    ],
    was: ["deny any -> x/a", "allow y/* -> x/a"],
    change: applied(tier("behind", 2_000_000), forX("late", { tier: "behind" }, { action: "Allow", ...z })),
    becomes: ["deny any -> x/*", "allow z/* -> x/b, x/c", "allow y/* -> x/a"],
  },
  {
    name: "a tier before kube-admin outdoes a ClusterNetworkPolicy",
    source: "tier kube-admin has order 1000",
    before: [
      clusterPolicy("admin", {
        ...{ tier: "Admin", priority: 0, subject: { namespaces: { matchLabels: { team: "x" } } } },
        ingress: [{ action: "Deny", from: [{ namespaces: { matchLabels: { team: "y" } } }] }],
      }),
    ],
    was: ["deny y/* -> x/*"],
    change: applied(
      tier("before-admin", 999, "Pass"),
      forX("friend", { tier: "before-admin" }, { action: "Allow", source: { selector: "pod == 'a'", ...y.source } }),
    ),
    becomes: ["deny y/* -> x/*", "allow y/a -> x/*"],
  },
];

/** Cases of order. */
export const tierOrderCases: readonly Case[] = [...inDefault, ...tiers];
