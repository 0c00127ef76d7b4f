/** Calico's HostEndpoints: the interface eth0 of node-1, on which x/a, y/c and z/b run. */
import { applied, type Case, calicoObject, removed } from "./case.ts";
import type { KubeObject } from "./objects.ts";

/** Its address is that of the lab's first node. */
function hostEndpoint(...profiles: readonly string[]): KubeObject {
  const spec = { node: "node-1", interfaceName: "eth0", expectedIPs: ["172.18.1.11"], profiles };
  return calicoObject("HostEndpoint", { name: "node-1-eth0", labels: { host: "one" } }, spec);
}

const allowing = hostEndpoint("projectcalico-default-allow");

function forHost(spec: object): KubeObject {
  return calicoObject("GlobalNetworkPolicy", { name: "host" }, { selector: "host == 'one'", ...spec });
}

const outsideNets = { nets: ["172.18.9.0/24"] };
const own = "allow x/a, y/c, z/b, node-1 -> node-1";
const closedIn = ["deny any -> node-1", own] as const;
/** Failsafe rules let DNS out. */
const closedOut = [
  "deny node-1 -> any",
  "allow node-1 -> node-1",
  "allow node-1 -> kube-system/dns on UDP/53",
] as const;
const closed =
  "a host endpoint without profile and policy drops what is not failsafe; forwarded packets are none of its";
const forward = "applyOnForward: the policy applies to forwarded traffic as well as to local";

/** Cases of host endpoints. */
export const tierHostCases: readonly Case[] = [
  {
    name: "a host endpoint without profiles and policies is closed both ways",
    source: closed,
    change: applied(hostEndpoint()),
    becomes: [...closedIn, ...closedOut],
  },
  {
    name: "a host endpoint with the profile that allows is open",
    source: "profile projectcalico-default-allow allows everything both ways",
    change: applied(allowing),
    becomes: [],
  },
  {
    name: "a closed host endpoint is deleted",
    source: "without a host endpoint host traffic is left alone",
    before: [hostEndpoint()],
    was: [...closedIn, ...closedOut],
    change: removed(hostEndpoint()),
    becomes: [],
  },
  {
    name: "a policy lets one port into a host endpoint",
    source: "a normal policy decides for packets to the host itself",
    before: [allowing],
    change: applied(
      forHost({ types: ["Ingress"], ingress: [{ action: "Allow", protocol: "TCP", destination: { ports: [80] } }] }),
    ),
    becomes: ["deny any -> node-1", "allow any -> node-1 on TCP/80", own],
  },
  {
    name: "a policy keeps one address out of a host endpoint",
    source: "a normal policy decides for packets to the host itself",
    before: [allowing],
    change: applied(
      forHost({
        types: ["Ingress"],
        ingress: [{ action: "Deny", source: { nets: ["172.18.9.10/32"] } }, { action: "Allow" }],
      }),
    ),
    becomes: ["deny outside-1 -> node-1"],
  },
  {
    name: "egress of a host endpoint, also to what a Service's address became",
    source: "egress of locally sourced packets whose destination was rewritten is judged after that",
    before: [allowing],
    change: applied(
      forHost({
        types: ["Egress"],
        egress: [{ action: "Deny", destination: { namespaceSelector: "team == 'y'" } }, { action: "Allow" }],
      }),
    ),
    becomes: ["deny node-1 -> y/*"],
  },
  {
    name: "a policy for forwarded traffic guards the pods behind a host endpoint too",
    source: forward,
    before: [allowing],
    change: applied(
      forHost({
        applyOnForward: true,
        types: ["Ingress"],
        ingress: [{ action: "Deny", source: outsideNets }, { action: "Allow" }],
      }),
    ),
    becomes: ["deny outside -> node-1, x/a, y/c, z/b"],
  },
  {
    name: "a policy before address translation guards the host and the pods behind it",
    source: "preDNAT: enforced before any DNAT, for local and forwarded packets",
    before: [allowing],
    change: applied(
      forHost({
        ...{ preDNAT: true, applyOnForward: true, types: ["Ingress"] },
        ingress: [{ action: "Deny", protocol: "TCP", source: outsideNets, destination: { ports: [80] } }],
      }),
    ),
    becomes: ["deny outside -> node-1, x/a, y/c, z/b on TCP/80"],
  },
  {
    name: "an untracked policy denies before connections are tracked",
    source: "doNotTrack: enforced before connection tracking, for local and forwarded packets",
    before: [allowing],
    change: applied(
      forHost({
        ...{ doNotTrack: true, applyOnForward: true, types: ["Ingress"] },
        ingress: [{ action: "Deny", protocol: "UDP", source: outsideNets, destination: { ports: [81] } }],
      }),
    ),
    becomes: ["deny outside -> node-1, x/a, y/c, z/b on UDP/81"],
  },
  {
    name: "rules name a host endpoint by its labels",
    source: "selector: matches host endpoints by their labels, and thereby their addresses",
    before: [allowing],
    change: applied(
      calicoObject(
        "GlobalNetworkPolicy",
        { name: "from-host" },
        {
          namespaceSelector: "team == 'x'",
          types: ["Ingress"],
          ingress: [{ action: "Allow", source: { selector: "host == 'one'" } }],
        },
      ),
    ),
    becomes: ["deny any -> x/*", "allow node-1 -> x/*"],
  },
  {
    name: "a policy that selects by namespace alone has no host endpoint",
    source: "a GlobalNetworkPolicy with a namespaceSelector never matches host endpoints",
    before: [allowing],
    change: applied(
      calicoObject(
        "GlobalNetworkPolicy",
        { name: "pods" },
        {
          namespaceSelector: "has(team)",
          types: ["Ingress"],
          ingress: [{ action: "Allow", source: { namespaceSelector: "all()" } }],
        },
      ),
    ),
    becomes: ["deny nodes, outside -> x/*, y/*, z/*"],
  },
];
