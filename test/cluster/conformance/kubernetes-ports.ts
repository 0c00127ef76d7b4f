/** Ports, protocols, ranges and names of ports in Kubernetes NetworkPolicies. */
import { applied, type Case, networkPolicy } from "./case.ts";

const toWeb = (...ports: readonly object[]) =>
  applied(networkPolicy("x", "ports", { podSelector: { matchLabels: { pod: "a" } }, ingress: [{ ports }] }));
const toAll = (...ports: readonly object[]) =>
  applied(networkPolicy("x", "ports", { podSelector: {}, ingress: [{ ports }] }));
const outOf = (...egress: readonly object[]) =>
  applied(networkPolicy("z", "ports", { podSelector: {}, policyTypes: ["Egress"], egress }));

const range =
  "endPort: indicates that the range of ports from port to endPort, inclusive, should be allowed by the policy";
const named = "port: this can either be a numerical or named port on a pod";
const protocol = "protocol: TCP, UDP, or SCTP which traffic must match; if not specified, this field defaults to TCP";

const numbers: readonly Case[] = [
  {
    name: "a rule without ports matches every protocol",
    source: "ports: if this field is empty or missing, this rule matches all ports (traffic not restricted by port)",
    change: applied(
      networkPolicy("x", "ports", {
        podSelector: {},
        ingress: [{ from: [{ namespaceSelector: { matchLabels: { team: "y" } } }] }],
      }),
    ),
    becomes: ["deny any -> x/*", "allow y/* -> x/*"],
  },
  {
    name: "an empty list of ports matches every protocol",
    source: "ports: if this field is empty or missing, this rule matches all ports",
    change: toWeb(),
    becomes: [],
  },
  {
    name: "a TCP port",
    source: "ports: traffic is allowed if it matches at least one port in the list",
    change: toWeb({ protocol: "TCP", port: 80 }),
    becomes: ["deny any -> x/a", "allow any -> x/a on TCP/80"],
  },
  {
    name: "a port without protocol is a TCP port",
    source: protocol,
    change: toWeb({ port: 81 }),
    becomes: ["deny any -> x/a", "allow any -> x/a on TCP/81"],
  },
  {
    name: "a UDP port",
    source: protocol,
    change: toWeb({ protocol: "UDP", port: 80 }),
    becomes: ["deny any -> x/a", "allow any -> x/a on UDP/80"],
  },
  {
    name: "an SCTP port",
    source: protocol,
    change: toWeb({ protocol: "SCTP", port: 80 }),
    becomes: ["deny any -> x/a", "allow any -> x/a on SCTP/80"],
  },
  {
    name: "an SCTP port that nobody listens on opens nothing else",
    source: protocol,
    change: toWeb({ protocol: "SCTP", port: 81 }),
    becomes: ["deny any -> x/a"],
  },
  {
    name: "a protocol without a port is all of its ports",
    source: "port: if this field is not provided, this matches all port names and numbers",
    change: toWeb({ protocol: "UDP" }),
    becomes: ["deny any -> x/a", "allow any -> x/a on UDP"],
  },
  {
    name: "SCTP without a port is all of its ports",
    source: "port: if this field is not provided, this matches all port names and numbers",
    change: toWeb({ protocol: "SCTP" }),
    becomes: ["deny any -> x/a", "allow any -> x/a on SCTP"],
  },
  {
    name: "several ports are alternatives",
    source: "ports: each item in this list is combined using a logical OR",
    change: toWeb({ port: 81 }, { protocol: "UDP", port: 80 }),
    becomes: ["deny any -> x/a", "allow any -> x/a on TCP/81, UDP/80"],
  },
  {
    name: "a range of ports includes both ends",
    source: range,
    change: toWeb({ protocol: "TCP", port: 80, endPort: 81 }),
    becomes: ["deny any -> x/a", "allow any -> x/a on TCP"],
  },
  {
    name: "a range ends at its endPort",
    source: range,
    change: toWeb({ protocol: "TCP", port: 1, endPort: 80 }),
    becomes: ["deny any -> x/a", "allow any -> x/a on TCP/80"],
  },
  {
    name: "a range of one port",
    source: "endPort: the endPort must be equal or greater than port",
    change: toWeb({ protocol: "UDP", port: 81, endPort: 81 }),
    becomes: ["deny any -> x/a", "allow any -> x/a on UDP/81"],
  },
  {
    name: "a range begins at its port",
    source: range,
    change: toWeb({ protocol: "UDP", port: 81, endPort: 65535 }, { protocol: "SCTP", port: 79, endPort: 80 }),
    becomes: ["deny any -> x/a", "allow any -> x/a on UDP/81, SCTP"],
  },
  {
    name: "twenty ports in one rule",
    source: "ports: traffic is allowed if it matches at least one port in the list",
    change: toWeb(...Array.from({ length: 20 }, (_, index) => ({ port: 62 + index }))),
    becomes: ["deny any -> x/a", "allow any -> x/a on TCP"],
  },
  {
    name: "peers and ports of one rule must both hold, those of another are an alternative",
    source: "traffic is allowed by a rule if it matches both from and ports",
    change: applied(
      networkPolicy("x", "ports", {
        podSelector: { matchLabels: { pod: "a" } },
        ingress: [
          { from: [{ podSelector: {} }], ports: [{ port: 80 }] },
          { from: [{ namespaceSelector: { matchLabels: { team: "z" } } }], ports: [{ protocol: "UDP", port: 81 }] },
        ],
      }),
    ),
    becomes: ["deny any -> x/a", "allow x/* -> x/a on TCP/80", "allow z/* -> x/a on UDP/81"],
  },
  {
    name: "an egress port holds for every destination",
    source: "egress ports: list of destination ports for outgoing traffic",
    change: outOf({ ports: [{ port: 81 }] }),
    becomes: ["deny z/* -> any", "allow z/* -> any on TCP/81"],
  },
];

const names: readonly Case[] = [
  {
    name: "a named port is each pod's own number",
    source: named,
    change: toAll({ port: "web" }),
    becomes: ["deny any -> x/*", "allow any -> x/a on TCP/80", "allow any -> x/b on TCP/81"],
  },
  {
    name: "a named port counts only with its protocol",
    source: named,
    change: toAll({ protocol: "UDP", port: "web" }),
    becomes: ["deny any -> x/*", "allow any -> x/c on UDP/80"],
  },
  {
    name: "a named UDP port is each pod's own number",
    source: named,
    change: toAll({ protocol: "UDP", port: "query" }),
    becomes: ["deny any -> x/*", "allow any -> x/a on UDP/80", "allow any -> x/b on UDP/81"],
  },
  {
    name: "a named SCTP port",
    source: named,
    change: toAll({ protocol: "SCTP", port: "signal" }),
    becomes: ["deny any -> x/*", "allow any -> x/a, x/b on SCTP/80"],
  },
  {
    name: "a named port that no pod has opens nothing",
    source: named,
    change: toAll({ port: "nowhere" }),
    becomes: ["deny any -> x/*"],
  },
  {
    name: "a named port beside a number",
    source: named,
    change: toAll({ port: "admin" }, { protocol: "UDP", port: 81 }),
    becomes: [
      "deny any -> x/*",
      "allow any -> x/a on TCP/81",
      "allow any -> x/b on TCP/80",
      "allow any -> x/* on UDP/81",
    ],
  },
  {
    name: "a named port and peers must both hold",
    source: "traffic is allowed by a rule if it matches both from and ports",
    change: applied(
      networkPolicy("x", "ports", {
        podSelector: {},
        ingress: [{ from: [{ namespaceSelector: { matchLabels: { team: "y" } } }], ports: [{ port: "web" }] }],
      }),
    ),
    becomes: ["deny any -> x/*", "allow y/* -> x/a on TCP/80", "allow y/* -> x/b on TCP/81"],
  },
  {
    name: "a named egress port is that of the pod at the other end",
    source: named,
    change: outOf({ to: [{ namespaceSelector: {} }], ports: [{ port: "web" }] }),
    becomes: ["deny z/* -> any", "allow z/* -> */a on TCP/80", "allow z/* -> */b on TCP/81"],
  },
  {
    name: "a named egress port to one namespace",
    source: named,
    change: outOf({ to: [{ namespaceSelector: { matchLabels: { team: "y" } } }], ports: [{ port: "admin" }] }),
    becomes: ["deny z/* -> any", "allow z/* -> y/a on TCP/81", "allow z/* -> y/b on TCP/80"],
  },
];

/** Cases of ports. */
export const portCases: readonly Case[] = [...numbers, ...names];
