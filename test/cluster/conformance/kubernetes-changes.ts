/** Policies, labels and pods that change under Kubernetes NetworkPolicies, and connections that are open meanwhile. */
import { applied, type Case, type Change, networkPolicy, removed } from "./case.ts";

const pod = (letter: string) => ({ matchLabels: { pod: letter } });
const app = (name: string) => ({ matchLabels: { app: name } });
const team = (name: string) => ({ namespaceSelector: { matchLabels: { team: name } } });
const selects = "a policy applies to the pods that its selector matches now, whatever they matched before";
const deny = networkPolicy("x", "deny", { podSelector: {}, policyTypes: ["Ingress"] });
const denyBoth = networkPolicy("x", "deny", { podSelector: {}, policyTypes: ["Ingress", "Egress"] });
const relabelPod = (name: string, labels: Readonly<Record<string, string | null>>): readonly Change[] => [
  { do: "relabel pod", pod: name, labels },
];
const relabelNamespace = (namespace: string, labels: Readonly<Record<string, string | null>>): readonly Change[] => [
  { do: "relabel namespace", namespace, labels },
];

const edits: readonly Case[] = [
  {
    name: "a deleted policy isolates nobody any more",
    source: "a pod is isolated only if there is a NetworkPolicy that selects it",
    before: [denyBoth],
    was: ["deny any -> x/*", "deny x/* -> any"],
    change: removed(denyBoth),
    becomes: [],
  },
  {
    name: "one of two policies is deleted",
    source: "network policies are additive",
    before: [deny, networkPolicy("x", "from-z", { podSelector: pod("b"), ingress: [{ from: [team("z")] }] })],
    was: ["deny any -> x/*", "allow z/* -> x/b"],
    change: removed(deny),
    becomes: ["deny any -> x/b", "allow z/* -> x/b"],
  },
  {
    name: "the policy that allowed is deleted, the one that isolates stays",
    source: "network policies are additive",
    before: [deny, networkPolicy("x", "from-z", { podSelector: pod("b"), ingress: [{ from: [team("z")] }] })],
    was: ["deny any -> x/*", "allow z/* -> x/b"],
    change: removed(networkPolicy("x", "from-z", {})),
    becomes: ["deny any -> x/*"],
  },
  {
    name: "a policy's peers are edited",
    source: selects,
    before: [networkPolicy("x", "one", { podSelector: {}, ingress: [{ from: [team("y")] }] })],
    was: ["deny any -> x/*", "allow y/* -> x/*"],
    change: applied(
      networkPolicy("x", "one", { podSelector: {}, ingress: [{ from: [team("z")], ports: [{ port: 80 }] }] }),
    ),
    becomes: ["deny any -> x/*", "allow z/* -> x/* on TCP/80"],
  },
  {
    name: "a policy's podSelector is edited",
    source: selects,
    before: [networkPolicy("x", "one", { podSelector: pod("a"), policyTypes: ["Ingress"] })],
    was: ["deny any -> x/a"],
    change: applied(networkPolicy("x", "one", { podSelector: pod("c"), policyTypes: ["Ingress"] })),
    becomes: ["deny any -> x/c"],
  },
  {
    name: "a policy turns from ingress to egress",
    source: selects,
    before: [networkPolicy("x", "one", { podSelector: {}, policyTypes: ["Ingress"] })],
    was: ["deny any -> x/*"],
    change: applied(networkPolicy("x", "one", { podSelector: {}, policyTypes: ["Egress"] })),
    becomes: ["deny x/* -> any"],
  },
  {
    name: "a policy is replaced by another of other name",
    source: selects,
    before: [networkPolicy("x", "old", { podSelector: {}, ingress: [{ from: [team("y")] }] })],
    was: ["deny any -> x/*", "allow y/* -> x/*"],
    change: [
      ...applied(networkPolicy("x", "new", { podSelector: {}, ingress: [{ from: [team("x")] }] })),
      ...removed(networkPolicy("x", "old", {})),
    ],
    becomes: ["deny any -> x/*", "allow x/* -> x/*"],
  },
];

const labels: readonly Case[] = [
  {
    name: "a pod gets the label that a policy selects",
    source: selects,
    before: [
      networkPolicy("x", "locked", { podSelector: { matchLabels: { locked: "yes" } }, policyTypes: ["Ingress"] }),
    ],
    change: relabelPod("x/b", { locked: "yes" }),
    becomes: ["deny any -> x/b"],
  },
  {
    name: "a pod loses the label that a policy selects",
    source: selects,
    before: [
      networkPolicy("x", "ranked", {
        podSelector: { matchExpressions: [{ key: "rank", operator: "Exists" }] },
        policyTypes: ["Egress"],
      }),
    ],
    was: ["deny x/a, x/b -> any"],
    change: relabelPod("x/a", { rank: null }),
    becomes: ["deny x/b -> any"],
  },
  {
    name: "a pod of another node and namespace gets a label that is let in",
    source: selects,
    before: [
      networkPolicy("x", "friends", {
        podSelector: {},
        ingress: [{ from: [{ namespaceSelector: {}, podSelector: { matchLabels: { friend: "yes" } } }] }],
      }),
    ],
    was: ["deny any -> x/*"],
    change: relabelPod("y/b", { friend: "yes" }),
    becomes: ["deny any -> x/*", "allow y/b -> x/*"],
  },
  {
    name: "a pod loses the label by which it was let in",
    source: selects,
    before: [
      networkPolicy("x", "web", {
        podSelector: {},
        ingress: [{ from: [{ namespaceSelector: {}, podSelector: app("web") }] }],
      }),
    ],
    was: ["deny any -> x/*", "allow */a -> x/*"],
    change: relabelPod("z/a", { app: null }),
    becomes: ["deny any -> x/*", "allow x/a, y/a -> x/*"],
  },
  {
    name: "a label changes its value from one peer's to another's",
    source: selects,
    before: [
      networkPolicy("x", "by-app", {
        podSelector: pod("c"),
        ingress: [
          { from: [{ namespaceSelector: {}, podSelector: app("web") }], ports: [{ port: 80 }] },
          { from: [{ namespaceSelector: {}, podSelector: app("db") }], ports: [{ port: 81 }] },
        ],
      }),
    ],
    was: ["deny any -> x/c", "allow */a -> x/c on TCP/80", "allow */b -> x/c on TCP/81"],
    change: relabelPod("y/a", { app: "db" }),
    becomes: [
      "deny any -> x/c",
      "allow */a -> x/c on TCP/80",
      "allow */b, y/a -> x/c on TCP/81",
      "deny y/a -> x/c on TCP/80",
    ],
  },
  {
    name: "a namespace gets a label by which its pods are let in",
    source: "namespaceSelector: selects namespaces using cluster-scoped labels",
    before: [
      networkPolicy("x", "trusted", {
        podSelector: {},
        ingress: [{ from: [{ namespaceSelector: { matchLabels: { trusted: "yes" } } }] }],
      }),
    ],
    was: ["deny any -> x/*"],
    change: relabelNamespace("z", { trusted: "yes" }),
    becomes: ["deny any -> x/*", "allow z/* -> x/*"],
  },
  {
    name: "a namespace loses the label by which its pods were let in",
    source: "namespaceSelector: selects namespaces using cluster-scoped labels",
    before: [
      networkPolicy("x", "prod", {
        podSelector: {},
        ingress: [{ from: [{ namespaceSelector: { matchLabels: { env: "prod" } } }] }],
      }),
    ],
    was: ["deny any -> x/*", "allow x/*, y/* -> x/*"],
    change: relabelNamespace("y", { env: null }),
    becomes: ["deny any -> x/*", "allow x/* -> x/*"],
  },
  {
    name: "two namespaces exchange their labels",
    source: "namespaceSelector: selects namespaces using cluster-scoped labels",
    before: [
      networkPolicy("x", "from-y", { podSelector: {}, ingress: [{ from: [{ ...team("y"), podSelector: pod("b") }] }] }),
    ],
    was: ["deny any -> x/*", "allow y/b -> x/*"],
    change: [...relabelNamespace("y", { team: "z" }), ...relabelNamespace("z", { team: "y" })],
    becomes: ["deny any -> x/*", "allow z/b -> x/*"],
  },
  {
    name: "egress follows a namespace's label",
    source: "namespaceSelector: selects namespaces using cluster-scoped labels",
    before: [
      networkPolicy("x", "out", {
        podSelector: {},
        policyTypes: ["Egress"],
        egress: [{ to: [{ namespaceSelector: { matchLabels: { env: "test" } } }] }],
      }),
    ],
    was: ["deny x/* -> any", "allow x/* -> z/*"],
    change: relabelNamespace("y", { env: "test" }),
    becomes: ["deny x/* -> any", "allow x/* -> y/*, z/*"],
  },
];

const fromWeb = networkPolicy("x", "from-web", {
  podSelector: {},
  ingress: [{ from: [{ namespaceSelector: {}, podSelector: app("web") }] }],
});

const recreated: readonly Case[] = [
  {
    name: "a pod's address has a new owner, who may not do what the old one might",
    source: selects,
    before: [fromWeb],
    was: ["deny any -> x/*", "allow */a -> x/*"],
    change: [{ do: "recreate pod", pod: "y/a", labels: { pod: "a", backend: "a", app: "api" } }],
    becomes: ["deny any -> x/*", "allow x/a, z/a -> x/*"],
  },
  {
    name: "a pod's address has a new owner, who may do what the old one might not",
    source: selects,
    before: [fromWeb],
    was: ["deny any -> x/*", "allow */a -> x/*"],
    change: [{ do: "recreate pod", pod: "z/c", labels: { pod: "c", backend: "c", app: "web" } }],
    becomes: ["deny any -> x/*", "allow */a, z/c -> x/*"],
  },
  {
    name: "a pod made anew with the same address is isolated by its new labels",
    source: selects,
    before: [networkPolicy("x", "web", { podSelector: app("web"), policyTypes: ["Ingress", "Egress"] })],
    was: ["deny any -> x/a", "deny x/a -> any"],
    change: [{ do: "recreate pod", pod: "x/b", labels: { pod: "b", backend: "b", app: "web" } }],
    becomes: ["deny any -> x/a, x/b", "deny x/a, x/b -> any"],
  },
];

const open = { protocol: "TCP", port: 80, via: "address", survives: true } as const;

const established: readonly Case[] = [
  {
    name: "established connections outlive a policy that denies new ones",
    source: "the effect on existing connections is the implementation's; as for Calico they go on",
    held: [
      { ...open, from: "y/a", to: "x/a" },
      { ...open, from: "y/c", to: "x/a", protocol: "UDP" },
      { ...open, from: "z/c", to: "x/b", via: "service" },
      { ...open, from: "node-3", to: "x/b" },
      { ...open, from: "outside-1", to: "x/c" },
    ],
    change: applied(deny),
    becomes: ["deny any -> x/*"],
  },
  {
    name: "established connections out of a pod outlive a policy that denies new ones",
    source: "the effect on existing connections is the implementation's; as for Calico they go on",
    held: [
      { ...open, from: "x/a", to: "y/a", via: "service" },
      { ...open, from: "x/a", to: "outside-1" },
      { ...open, from: "x/b", to: "z/a", protocol: "UDP" },
    ],
    change: applied(networkPolicy("x", "out", { podSelector: {}, policyTypes: ["Egress"] })),
    becomes: ["deny x/* -> any"],
  },
  {
    name: "established connections outlive the label that allowed them",
    source: "the effect on existing connections is the implementation's; as for Calico they go on",
    before: [fromWeb],
    was: ["deny any -> x/*", "allow */a -> x/*"],
    held: [{ ...open, from: "y/a", to: "x/b" }],
    change: relabelPod("y/a", { app: "api" }),
    becomes: ["deny any -> x/*", "allow x/a, z/a -> x/*"],
  },
  {
    name: "connections to a pod that goes are not carried on by its successor of the same address",
    source: "a pod's address that is given back takes its connections with it",
    held: [
      { ...open, from: "z/a", to: "x/c", survives: false },
      { ...open, from: "y/a", to: "x/a" },
    ],
    change: [{ do: "recreate pod", pod: "x/c", labels: { pod: "c", backend: "c", app: "api" } }, ...applied(deny)],
    becomes: ["deny any -> x/*"],
  },
];

/** Cases of change. */
export const changeCases: readonly Case[] = [...edits, ...labels, ...recreated, ...established];
