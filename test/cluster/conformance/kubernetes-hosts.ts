/** Nodes, host-network pods, loopback and hairpins under Kubernetes NetworkPolicies. */
import { applied, type Case, networkPolicy } from "./case.ts";

const pod = (letter: string) => ({ matchLabels: { pod: letter } });
const isolated = { podSelector: {}, policyTypes: ["Ingress", "Egress"] };
const hostNetwork =
  "hostNetwork pods: in the most common case policies ignore them, and their traffic is the node's own, matched by ipBlock alone";
const ownNode = "a pod cannot block access to itself, nor from the node that it runs on";

/** Cases of hosts. */
export const hostCases: readonly Case[] = [
  {
    name: "an isolated pod is reached by its own node and not by another",
    source: ownNode,
    change: applied(networkPolicy("x", "deny", { podSelector: pod("a"), policyTypes: ["Ingress"] })),
    becomes: ["deny any -> x/a", "allow node-1 -> x/a"],
  },
  {
    name: "an isolated pod reaches its own address and not itself through its Service",
    source: `${ownNode}; what comes back from a Service has left the pod, and is judged as any other`,
    change: applied(networkPolicy("x", "deny", { ...isolated, podSelector: pod("a") })),
    becomes: ["deny any -> x/a", "deny x/a -> any", "allow x/a -> x/a by address", "allow node-1 -> x/a"],
  },
  {
    name: "a pod that may reach itself does so through its Service",
    source: "podSelector: peers may be the selected pods themselves",
    change: applied(
      networkPolicy("x", "self", {
        ...{ podSelector: pod("a"), policyTypes: ["Ingress", "Egress"] },
        ingress: [{ from: [{ podSelector: pod("a") }] }],
        egress: [{ to: [{ podSelector: pod("a") }] }],
      }),
    ),
    becomes: ["deny any -> x/a", "deny x/a -> any", "allow x/a -> x/a"],
  },
  {
    name: "a hairpin needs the ingress rule as well as the egress rule",
    source: "both the egress policy on the source pod and the ingress policy on the destination pod need to allow it",
    change: applied(
      networkPolicy("x", "half", {
        ...{ podSelector: pod("b"), policyTypes: ["Ingress", "Egress"] },
        egress: [{ to: [{ podSelector: {} }] }],
      }),
    ),
    becomes: ["deny any -> x/b", "deny x/b -> any", "allow x/b -> x/a, x/c"],
  },
  {
    name: "a node is let in by its address",
    source: "ipBlock: node addresses are matched as any other",
    change: applied(
      networkPolicy("x", "node", { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: "172.18.2.12/32" } }] }] }),
    ),
    becomes: ["deny any -> x/*", "allow node-2 -> x/*"],
  },
  {
    name: "all nodes of one rack are let in on one port",
    source: "ipBlock: node addresses are matched as any other",
    change: applied(
      networkPolicy("x", "rack", {
        podSelector: {},
        ingress: [{ from: [{ ipBlock: { cidr: "172.18.1.0/24" } }], ports: [{ port: 81 }] }],
      }),
    ),
    becomes: ["deny any -> x/*", "allow node-1, node-3 -> x/* on TCP/81"],
  },
  {
    name: "a policy that selects host-network pods by their labels does nothing to the nodes",
    source: hostNetwork,
    change: applied(networkPolicy("z", "hosts", { ...isolated, podSelector: { matchLabels: { app: "web" } } })),
    becomes: ["deny any -> z/a", "deny z/a -> any"],
  },
  {
    name: "a policy for a namespace with host-network pods leaves the nodes alone",
    source: hostNetwork,
    change: applied(networkPolicy("z", "all", isolated)),
    becomes: ["deny any -> z/*", "deny z/* -> any"],
  },
  {
    name: "host-network pods are no peers by their labels",
    source: hostNetwork,
    change: applied(
      networkPolicy("x", "in", {
        ...{ podSelector: {}, policyTypes: ["Ingress", "Egress"] },
        ingress: [{ from: [{ namespaceSelector: {}, podSelector: { matchLabels: { app: "web" } } }] }],
        egress: [{ to: [{ namespaceSelector: {}, podSelector: { matchLabels: { pod: "host" } } }] }],
      }),
    ),
    becomes: ["deny any -> x/*", "allow */a -> x/*", "deny x/* -> any"],
  },
  {
    name: "egress to a node by its address, also through the Service of a host-network pod",
    source: "ipBlock: node addresses are matched as any other",
    change: applied(
      networkPolicy("x", "out", {
        ...{ podSelector: {}, policyTypes: ["Egress"] },
        egress: [
          { to: [{ ipBlock: { cidr: "172.18.2.0/24" } }], ports: [{ port: 80 }, { protocol: "UDP", port: 81 }] },
        ],
      }),
    ),
    becomes: ["deny x/* -> any", "allow x/* -> node-2 on TCP/80, UDP/81"],
  },
  {
    name: "egress to a pod's own node is judged as to any other address",
    source: "egress: an isolated pod may reach what a rule allows; as Calico has it, its own node is no exception",
    change: applied(networkPolicy("y", "out", { podSelector: pod("c"), policyTypes: ["Egress"] })),
    becomes: ["deny y/c -> any"],
  },
];
