/** ClusterNetworkPolicy (policy.networking.k8s.io/v1alpha2): subjects, peers, networks and ports. */
import { applied, type Case, type Change, clusterPolicy } from "./case.ts";

const team = (name: string) => ({ namespaces: { matchLabels: { team: name } } });
const everyNamespace = { namespaces: {} };

/** One Admin policy. */
function admin(subject: object, rules: object): readonly Change[] {
  return applied(clusterPolicy("one", { tier: "Admin", priority: 10, subject, ...rules }));
}

const denies = (subject: object, ...from: readonly object[]) => admin(subject, { ingress: [{ action: "Deny", from }] });
const denyPorts = (...protocols: readonly object[]) =>
  admin(team("x"), { ingress: [{ action: "Deny", from: [team("y")], protocols }] });
const port = (number: number) => ({ destinationPort: { number } });
const networks =
  "networks: note that cluster-internal traffic is checked against the rule as well; to leave it out, add a rule for pods before";

/** Cases of subjects, peers and ports. */
export const clusterPeerCases: readonly Case[] = [
  {
    name: "a subject of pods",
    source: "subject pods: selects the pods that match podSelector in the namespaces that match namespaceSelector",
    change: denies(
      { pods: { namespaceSelector: { matchLabels: { team: "x" } }, podSelector: { matchLabels: { pod: "a" } } } },
      everyNamespace,
    ),
    becomes: ["deny pods -> x/a"],
  },
  {
    name: "a subject of all namespaces",
    source: "namespaces: an empty selector selects all namespaces",
    change: denies(everyNamespace, team("z")),
    becomes: ["deny z/* -> pods"],
  },
  {
    name: "a subject of pods in all namespaces, without the host's",
    source: "host-network pods are not selected",
    change: denies({ pods: { namespaceSelector: {}, podSelector: { matchLabels: { app: "web" } } } }, team("y")),
    becomes: ["deny y/* -> */a"],
  },
  {
    name: "a subject that selects nobody",
    source: "subject: if no pod is selected the policy has no effect",
    change: denies(team("nobody"), everyNamespace),
    becomes: [],
  },
  {
    name: "peers of pods across namespaces",
    source: "peer pods: selects pods by namespaceSelector and podSelector",
    change: denies(team("x"), {
      pods: { namespaceSelector: {}, podSelector: { matchExpressions: [{ key: "rank", operator: "DoesNotExist" }] } },
    }),
    becomes: ["deny */c, kube-system/dns -> x/*"],
  },
  {
    name: "several peers are alternatives",
    source: "from: a rule matches if any of its peers does",
    change: denies(team("x"), team("z"), {
      pods: { namespaceSelector: { matchLabels: { team: "y" } }, podSelector: { matchLabels: { pod: "b" } } },
    }),
    becomes: ["deny z/*, y/b -> x/*"],
  },
  {
    name: "a namespace becomes a peer by its label",
    source: "namespaces: selects namespaces using cluster-scoped labels",
    before: [
      clusterPolicy("one", {
        ...{ tier: "Admin", priority: 10, subject: { namespaces: { matchLabels: { env: "prod" } } } },
        ingress: [{ action: "Deny", from: [{ namespaces: { matchLabels: { purpose: "guests" } } }] }],
      }),
    ],
    change: [{ do: "relabel namespace", namespace: "z", labels: { purpose: "guests" } }],
    becomes: ["deny z/* -> x/*, y/*"],
  },
  {
    name: "a namespace is no subject any more by its label",
    source: "namespaces: selects namespaces using cluster-scoped labels",
    before: [
      clusterPolicy("one", {
        ...{ tier: "Admin", priority: 10, subject: { namespaces: { matchLabels: { env: "prod" } } } },
        ingress: [{ action: "Deny", from: [team("z")] }],
      }),
    ],
    was: ["deny z/* -> x/*, y/*"],
    change: [{ do: "relabel namespace", namespace: "y", labels: { env: "test" } }],
    becomes: ["deny z/* -> x/*"],
  },
  {
    name: "egress to a namespace is denied",
    source: "egress rules decide for the source pod",
    change: admin(team("z"), { egress: [{ action: "Deny", to: [team("x")] }] }),
    becomes: ["deny z/* -> x/*"],
  },
  {
    name: "egress to a network is denied",
    source: "networks: selects peers by CIDR blocks, for what lives outside the cluster",
    change: admin(team("x"), { egress: [{ action: "Deny", to: [{ networks: ["172.18.9.0/24"] }] }] }),
    becomes: ["deny x/* -> outside"],
  },
  {
    name: "egress to a network that holds pods",
    source: networks,
    change: admin(team("x"), { egress: [{ action: "Deny", to: [{ networks: ["192.168.101.0/24"] }] }] }),
    becomes: ["deny x/* -> x/a, y/c, z/b"],
  },
  {
    name: "egress to all addresses is denied but to pods",
    source: networks,
    change: admin(team("x"), {
      egress: [
        { action: "Accept", to: [everyNamespace] },
        { action: "Deny", to: [{ networks: ["0.0.0.0/0", "::/0"] }] },
      ],
    }),
    becomes: ["deny x/* -> nodes, outside, metadata"],
  },
  {
    name: "egress to several networks, and one excepted before them",
    source: "rules are evaluated in order; the first that matches decides",
    change: admin(team("y"), {
      egress: [
        { action: "Pass", to: [{ networks: ["172.18.9.20/32"] }] },
        { action: "Deny", to: [{ networks: ["172.18.9.0/24", "169.254.169.254/32"] }] },
      ],
    }),
    becomes: ["deny y/* -> outside-1, metadata"],
  },
  {
    name: "a TCP port is denied",
    source: "protocols: the rule matches only these destination ports",
    change: denyPorts({ tcp: port(80) }),
    becomes: ["deny y/* -> x/* on TCP/80"],
  },
  {
    name: "a range of TCP ports and a UDP port are denied",
    source: "range: start and end are included",
    change: denyPorts({ tcp: { destinationPort: { range: { start: 80, end: 81 } } } }, { udp: port(81) }),
    becomes: ["deny y/* -> x/* on TCP, UDP/81"],
  },
  {
    name: "an SCTP port is denied",
    source: "protocols: TCP, UDP and SCTP",
    change: denyPorts({ sctp: port(80) }),
    becomes: ["deny y/* -> x/* on SCTP/80"],
  },
  {
    name: "a named port is each pod's own, of whatever protocol",
    source: "destinationNamedPort: a port with this name of the pod, whatever its number and protocol",
    change: denyPorts({ destinationNamedPort: "web" }),
    becomes: ["deny y/* -> x/a on TCP/80", "deny y/* -> x/b on TCP/81", "deny y/* -> x/c on UDP/80"],
  },
  {
    name: "a named port of egress is that of the pod at the other end",
    source: "destinationNamedPort: a port with this name of the destination pod",
    change: admin(team("z"), {
      egress: [{ action: "Deny", to: [team("x")], protocols: [{ destinationNamedPort: "admin" }] }],
    }),
    becomes: ["deny z/* -> x/a on TCP/81", "deny z/* -> x/b on TCP/80"],
  },
  {
    name: "egress to one port of a network is denied",
    source: "protocols: the rule matches only these destination ports",
    change: admin(team("x"), {
      egress: [
        { action: "Deny", to: [{ networks: ["172.18.0.0/16"] }], protocols: [{ tcp: port(81) }, { udp: port(80) }] },
      ],
    }),
    becomes: ["deny x/* -> nodes, outside on TCP/81, UDP/80"],
  },
];
