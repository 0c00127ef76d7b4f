/** What isolates a pod, in which direction, and how Kubernetes NetworkPolicies add up. */
import { applied, type Case, networkPolicy } from "./case.ts";

const pod = (letter: string) => ({ matchLabels: { pod: letter } });
const team = (name: string) => ({ namespaceSelector: { matchLabels: { team: name } } });
const types =
  "policyTypes: if not specified, policies that contain an egress section are assumed to affect egress, and all policies are assumed to affect ingress";
const additive = "network policies do not conflict; they are additive";
const twoEnds =
  "for a connection to be allowed, both the egress policy on the source pod and the ingress policy on the destination pod need to allow it";

const one = (spec: object) => applied(networkPolicy("x", "one", spec));

const directions: readonly Case[] = [
  {
    name: "default deny of ingress",
    source: "a pod is isolated for ingress if a NetworkPolicy selects it and has Ingress in its policyTypes",
    change: applied(networkPolicy("y", "deny", { podSelector: {}, policyTypes: ["Ingress"] })),
    becomes: ["deny any -> y/*"],
  },
  {
    name: "default deny of egress",
    source: "a pod is isolated for egress if a NetworkPolicy selects it and has Egress in its policyTypes",
    change: applied(networkPolicy("y", "deny", { podSelector: {}, policyTypes: ["Egress"] })),
    becomes: ["deny y/* -> any"],
  },
  {
    name: "default deny both ways",
    source: "a pod is isolated for egress and for ingress independently",
    change: applied(networkPolicy("y", "deny", { podSelector: {}, policyTypes: ["Ingress", "Egress"] })),
    becomes: ["deny any -> y/*", "deny y/* -> any"],
  },
  {
    name: "default deny both ways in every namespace",
    source: "a pod is isolated for egress and for ingress independently",
    change: applied(
      ...["x", "y", "z"].map((namespace) =>
        networkPolicy(namespace, "deny", { podSelector: {}, policyTypes: ["Ingress", "Egress"] }),
      ),
    ),
    becomes: ["deny any -> x/*, y/*, z/*", "deny x/*, y/*, z/* -> any"],
  },
  {
    name: "one empty ingress rule allows everything in",
    source: "from: if this field is empty or missing, this rule matches all sources",
    change: one({ podSelector: {}, ingress: [{}] }),
    becomes: [],
  },
  {
    name: "one empty egress rule allows everything out",
    source: "to: if this field is empty or missing, this rule matches all destinations",
    change: one({ podSelector: {}, policyTypes: ["Egress"], egress: [{}] }),
    becomes: [],
  },
  {
    name: "an empty list of peers is all of them",
    source: "from: if this field is empty or missing, this rule matches all sources",
    change: one({ podSelector: {}, ingress: [{ from: [], ports: [{ port: 80 }] }] }),
    becomes: ["deny any -> x/*", "allow any -> x/* on TCP/80"],
  },
  {
    name: "an empty list of ingress rules isolates",
    source: "ingress: if this field is empty then this NetworkPolicy does not allow any traffic",
    change: one({ podSelector: pod("c"), ingress: [] }),
    becomes: ["deny any -> x/c"],
  },
  {
    name: "without policyTypes and egress rules only ingress is affected",
    source: types,
    change: one({ podSelector: pod("a"), ingress: [{ from: [team("z")] }] }),
    becomes: ["deny any -> x/a", "allow z/* -> x/a"],
  },
  {
    name: "without policyTypes egress rules affect both directions",
    source: types,
    change: one({ podSelector: pod("a"), egress: [{ to: [team("y")] }] }),
    becomes: ["deny any -> x/a", "deny x/a -> any", "allow x/a -> y/*"],
  },
  {
    name: "without policyTypes an empty list of egress rules does not affect egress",
    source: types,
    change: one({ podSelector: pod("a"), egress: [] }),
    becomes: ["deny any -> x/a"],
  },
  {
    name: "ingress rules count for nothing when policyTypes is Egress alone",
    source: "policyTypes: to write a policy that affects egress only, say Egress explicitly",
    change: one({ podSelector: pod("a"), policyTypes: ["Egress"], ingress: [{ from: [team("z")] }] }),
    becomes: ["deny x/a -> any"],
  },
  {
    name: "egress rules count for nothing when policyTypes is Ingress alone",
    source: types,
    change: one({ podSelector: pod("a"), policyTypes: ["Ingress"], egress: [{ to: [team("z")] }] }),
    becomes: ["deny any -> x/a"],
  },
];

const overlapping: readonly Case[] = [
  {
    name: "two policies for one pod allow what either allows",
    source: additive,
    change: applied(
      networkPolicy("x", "one", { podSelector: pod("a"), ingress: [{ from: [team("y")] }] }),
      networkPolicy("x", "two", { podSelector: {}, ingress: [{ from: [team("z")], ports: [{ port: 80 }] }] }),
    ),
    becomes: ["deny any -> x/*", "allow z/* -> x/* on TCP/80", "allow y/* -> x/a"],
  },
  {
    name: "a policy that allows everything outdoes one that allows nothing",
    source: additive,
    change: applied(
      networkPolicy("x", "allow", { podSelector: pod("a"), ingress: [{}] }),
      networkPolicy("x", "deny", { podSelector: {} }),
    ),
    becomes: ["deny any -> x/b, x/c"],
  },
  {
    name: "policies of the same name in two namespaces are two",
    source: "a NetworkPolicy applies to pods of its own namespace",
    change: applied(
      networkPolicy("x", "same", { podSelector: {}, ingress: [{ from: [{ podSelector: {} }] }] }),
      networkPolicy("y", "same", { podSelector: {}, policyTypes: ["Egress"] }),
    ),
    becomes: ["deny any -> x/*", "allow x/* -> x/*", "deny y/* -> any"],
  },
  {
    name: "both ends must allow a connection",
    source: twoEnds,
    change: applied(
      networkPolicy("z", "out", { podSelector: {}, policyTypes: ["Egress"], egress: [{ to: [team("x")] }] }),
      networkPolicy("x", "in", { podSelector: {}, ingress: [{ from: [{ ...team("z"), podSelector: pod("b") }] }] }),
    ),
    becomes: ["deny z/* -> any", "deny any -> x/*", "allow z/b -> x/*"],
  },
  {
    name: "what one end allows by port and the other by another port gets nowhere",
    source: twoEnds,
    change: applied(
      networkPolicy("z", "out", { podSelector: {}, policyTypes: ["Egress"], egress: [{ ports: [{ port: 80 }] }] }),
      networkPolicy("x", "in", { podSelector: {}, ingress: [{ ports: [{ port: 81 }] }] }),
    ),
    becomes: [
      "deny z/* -> any",
      "allow z/* -> any on TCP/80",
      "deny any -> x/*",
      "allow any -> x/* on TCP/81",
      "deny z/* -> x/*",
    ],
  },
  {
    name: "answers to an allowed connection need no rule of their own",
    source: "reply traffic for allowed connections will also be implicitly allowed",
    change: applied(
      networkPolicy("x", "in", {
        ...{ podSelector: {}, policyTypes: ["Ingress", "Egress"] },
        ingress: [{ from: [team("y"), team("z")] }],
      }),
    ),
    becomes: ["deny any -> x/*", "allow y/*, z/* -> x/*", "deny x/* -> any"],
  },
  {
    name: "fifty policies for one pod",
    source: additive,
    change: applied(
      ...Array.from({ length: 50 }, (_, index) =>
        networkPolicy("x", `many-${index}`, {
          podSelector: pod("a"),
          ingress: [{ from: [team(index === 37 ? "z" : "nobody")], ports: [{ port: 80 + (index % 2) }] }],
        }),
      ),
    ),
    becomes: ["deny any -> x/a", "allow z/* -> x/a on TCP/81"],
  },
];

/** Cases of isolation. */
export const isolationCases: readonly Case[] = [...directions, ...overlapping];
