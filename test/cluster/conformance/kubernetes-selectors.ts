/** Whom a Kubernetes NetworkPolicy selects and whom its peers name. */
import { applied, type Case, networkPolicy } from "./case.ts";

const toWeb = (ingress: readonly object[]) =>
  applied(
    networkPolicy("x", "to-web", { podSelector: { matchLabels: { pod: "a" } }, policyTypes: ["Ingress"], ingress }),
  );
const fromPeers = (...from: readonly object[]) => toWeb([{ from }]);
const labels = (matchLabels: object) => ({ matchLabels });
const expressions = (...matchExpressions: readonly object[]) => ({ matchExpressions });
const isolates = (podSelector: object) =>
  applied(networkPolicy("x", "isolate", { podSelector, policyTypes: ["Ingress"] }));

const semantics = "labelSelector: an empty label selector matches all objects; requirements are ANDed";
const peer =
  "podSelector: this field follows standard label selector semantics; if present but empty, it selects all pods";
const both =
  "namespaceSelector: if podSelector is also set, then the NetworkPolicyPeer as a whole selects the pods matching podSelector in the namespaces selected by namespaceSelector";

/** A selector under which of the pods of x a policy stands. */
const subjects: readonly Case[] = [
  {
    name: "an empty podSelector selects every pod of the policy's namespace and of no other",
    source: "podSelector: an empty selector matches all pods in the policy's namespace",
    change: isolates({}),
    becomes: ["deny any -> x/*"],
  },
  {
    name: "an absent podSelector is an empty one",
    source: "podSelector: this field is optional; if it is not specified, it defaults to an empty selector",
    change: applied(networkPolicy("x", "isolate", { policyTypes: ["Ingress"] })),
    becomes: ["deny any -> x/*"],
  },
  {
    name: "matchLabels selects by value",
    source: semantics,
    change: isolates(labels({ app: "web" })),
    becomes: ["deny any -> x/a"],
  },
  {
    name: "all matchLabels must hold",
    source: semantics,
    change: isolates(labels({ app: "web", rank: "2" })),
    becomes: [],
  },
  {
    name: "matchExpressions In",
    source: "operator In: the label's value is one of the values",
    change: isolates(expressions({ key: "app", operator: "In", values: ["web", "api"] })),
    becomes: ["deny any -> x/a, x/c"],
  },
  {
    name: "matchExpressions NotIn holds where the label is absent",
    source: "operator NotIn: matches objects without the key too",
    change: isolates(expressions({ key: "rank", operator: "NotIn", values: ["1"] })),
    becomes: ["deny any -> x/b, x/c"],
  },
  {
    name: "matchExpressions Exists",
    source: "operator Exists: the label is there, whatever its value",
    change: isolates(expressions({ key: "rank", operator: "Exists" })),
    becomes: ["deny any -> x/a, x/b"],
  },
  {
    name: "matchExpressions DoesNotExist",
    source: "operator DoesNotExist: the label is not there",
    change: isolates(expressions({ key: "rank", operator: "DoesNotExist" })),
    becomes: ["deny any -> x/c"],
  },
  {
    name: "matchLabels and every expression must hold",
    source: semantics,
    change: isolates({
      ...labels({ app: "db" }),
      ...expressions({ key: "rank", operator: "Exists" }, { key: "rank", operator: "NotIn", values: ["1"] }),
    }),
    becomes: ["deny any -> x/b"],
  },
  {
    name: "a policy that selects no pod changes nothing",
    source: "a pod is isolated only if there is a NetworkPolicy that selects it",
    change: isolates(labels({ app: "nobody" })),
    becomes: [],
  },
];

/** Peers by labels, all in a policy for x/a. */
const peers: readonly Case[] = [
  {
    name: "a podSelector alone names pods of the policy's own namespace",
    source: "otherwise it selects the pods matching podSelector in the policy's own namespace",
    change: fromPeers({ podSelector: labels({ pod: "b" }) }),
    becomes: ["deny any -> x/a", "allow x/b -> x/a"],
  },
  {
    name: "an empty podSelector as a peer names every pod of the policy's own namespace",
    source: peer,
    change: fromPeers({ podSelector: {} }),
    becomes: ["deny any -> x/a", "allow x/* -> x/a"],
  },
  {
    name: "a namespaceSelector alone names every pod of these namespaces",
    source: "otherwise it selects all pods in the namespaces selected by namespaceSelector",
    change: fromPeers({ namespaceSelector: labels({ team: "y" }) }),
    becomes: ["deny any -> x/a", "allow y/* -> x/a"],
  },
  {
    name: "an empty namespaceSelector names every pod of the cluster, and nobody else",
    source: "namespaceSelector: if present but empty, it selects all namespaces",
    change: fromPeers({ namespaceSelector: {} }),
    becomes: ["deny any -> x/a", "allow pods -> x/a"],
  },
  {
    name: "namespaceSelector and podSelector in one peer must both hold",
    source: both,
    change: fromPeers({ namespaceSelector: labels({ team: "y" }), podSelector: labels({ pod: "c" }) }),
    becomes: ["deny any -> x/a", "allow y/c -> x/a"],
  },
  {
    name: "namespaceSelector and podSelector in two peers are alternatives",
    source: "from: items in this list are combined using a logical OR operation",
    change: fromPeers({ namespaceSelector: labels({ team: "y" }) }, { podSelector: labels({ pod: "c" }) }),
    becomes: ["deny any -> x/a", "allow y/*, x/c -> x/a"],
  },
  {
    name: "an empty namespaceSelector with a podSelector names these pods everywhere",
    source: both,
    change: fromPeers({ namespaceSelector: {}, podSelector: labels({ pod: "b" }) }),
    becomes: ["deny any -> x/a", "allow */b -> x/a"],
  },
  {
    name: "a namespaceSelector with an empty podSelector names every pod there",
    source: both,
    change: fromPeers({ namespaceSelector: labels({ env: "test" }), podSelector: {} }),
    becomes: ["deny any -> x/a", "allow z/* -> x/a"],
  },
  {
    name: "a namespaceSelector In",
    source: semantics,
    change: fromPeers({ namespaceSelector: expressions({ key: "team", operator: "In", values: ["x", "z"] }) }),
    becomes: ["deny any -> x/a", "allow x/*, z/* -> x/a"],
  },
  {
    name: "a namespaceSelector NotIn holds where the label is absent",
    source: semantics,
    change: fromPeers({ namespaceSelector: expressions({ key: "purpose", operator: "NotIn", values: ["shop"] }) }),
    becomes: ["deny any -> x/a", "allow y/*, z/*, kube-system/dns -> x/a"],
  },
  {
    name: "a namespaceSelector DoesNotExist with a podSelector Exists",
    source: semantics,
    change: fromPeers({
      namespaceSelector: expressions({ key: "purpose", operator: "DoesNotExist" }),
      podSelector: expressions({ key: "rank", operator: "Exists" }),
    }),
    becomes: ["deny any -> x/a", "allow z/a, z/b -> x/a"],
  },
  {
    name: "a namespace is selected by the name that the API server labels it with",
    source: "the control plane sets an immutable label kubernetes.io/metadata.name on all namespaces",
    change: fromPeers({ namespaceSelector: labels({ "kubernetes.io/metadata.name": "z" }) }),
    becomes: ["deny any -> x/a", "allow z/* -> x/a"],
  },
  {
    name: "peers that nobody fits let nobody in",
    source: "traffic is allowed if it matches at least one item in the from list",
    change: fromPeers({ namespaceSelector: labels({ team: "nobody" }) }, { podSelector: labels({ pod: "nobody" }) }),
    becomes: ["deny any -> x/a"],
  },
  {
    name: "a pod that a policy selects is no peer of its own by that",
    source: "ingress rules allow what matches from and ports, also among the selected pods",
    change: applied(
      networkPolicy("x", "all", { podSelector: {}, ingress: [{ from: [{ podSelector: labels({ pod: "a" }) }] }] }),
    ),
    becomes: ["deny any -> x/*", "allow x/a -> x/*"],
  },
  {
    name: "egress peers: a namespaceSelector and a podSelector",
    source: "to: if this field is present and contains at least one item, this rule allows traffic only if it matches",
    change: applied(
      networkPolicy("y", "out", {
        ...{ podSelector: labels({ app: "db" }), policyTypes: ["Egress"] },
        egress: [{ to: [{ namespaceSelector: labels({ env: "prod" }), podSelector: labels({ app: "api" }) }] }],
      }),
    ),
    becomes: ["deny y/b -> any", "allow y/b -> x/c, y/c"],
  },
  {
    name: "egress to every pod of the own namespace reaches nobody outside it",
    source: peer,
    change: applied(
      networkPolicy("z", "out", { podSelector: {}, policyTypes: ["Egress"], egress: [{ to: [{ podSelector: {} }] }] }),
    ),
    becomes: ["deny z/* -> any", "allow z/* -> z/*"],
  },
  {
    name: "egress to all namespaces reaches every pod, and no node and nothing outside",
    source: "namespaceSelector: if present but empty, it selects all namespaces",
    change: applied(
      networkPolicy("z", "out", {
        ...{ podSelector: {}, policyTypes: ["Egress"] },
        egress: [{ to: [{ namespaceSelector: {} }] }],
      }),
    ),
    becomes: ["deny z/* -> any", "allow z/* -> pods"],
  },
];

/** Cases of label selectors. */
export const selectorCases: readonly Case[] = [...subjects, ...peers];
