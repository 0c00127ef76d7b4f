/** ipBlock peers of Kubernetes NetworkPolicies. Addresses are those of world.ts and of the lab's fabric. */
import { applied, type Case, networkPolicy } from "./case.ts";

const block = (cidr: string, ...except: readonly string[]) => ({
  ipBlock: { cidr, ...(except.length > 0 ? { except } : {}) },
});
const into = (...from: readonly object[]) =>
  applied(networkPolicy("x", "blocks", { podSelector: { matchLabels: { pod: "a" } }, ingress: [{ from }] }));
const outOf = (...to: readonly object[]) =>
  applied(networkPolicy("x", "blocks", { podSelector: {}, policyTypes: ["Egress"], egress: [{ to }] }));

const cidr =
  "ipBlock: describes a particular CIDR that is allowed to the pods matched by a NetworkPolicySpec's podSelector";
const except = "except: a slice of CIDRs that should not be included within an IPBlock";

/** Cases of address blocks. */
export const ipBlockCases: readonly Case[] = [
  {
    name: "a block of addresses outside the cluster",
    source: cidr,
    change: into(block("172.18.9.0/24")),
    becomes: ["deny any -> x/a", "allow outside -> x/a"],
  },
  {
    name: "an exception inside a block",
    source: except,
    change: into(block("172.18.9.0/24", "172.18.9.20/32")),
    becomes: ["deny any -> x/a", "allow outside-1 -> x/a"],
  },
  {
    name: "an exception inside an exception is no way back in",
    source: except,
    change: into(block("172.18.0.0/16", "172.18.9.0/24", "172.18.9.20/32")),
    becomes: ["deny any -> x/a", "allow nodes -> x/a"],
  },
  {
    name: "what one block excepts, another may name",
    source: "from: items in this list are combined using a logical OR operation",
    change: into(block("0.0.0.0/0", "172.18.0.0/16"), block("172.18.9.0/24", "172.18.9.10/32")),
    becomes: ["deny any -> x/a", "allow pods, outside-2 -> x/a"],
  },
  {
    name: "what a block excepts, a selector may name",
    source: "from: items in this list are combined using a logical OR operation",
    change: into(block("0.0.0.0/0", "192.168.0.0/16"), { podSelector: { matchLabels: { pod: "b" } } }),
    becomes: ["deny any -> x/a", "allow nodes, outside, x/b -> x/a"],
  },
  {
    name: "several exceptions",
    source: except,
    change: into(block("0.0.0.0/0", "192.168.101.0/24", "192.168.103.0/24", "172.18.1.0/24")),
    becomes: ["deny any -> x/a", "allow x/b, y/a, z/c, node-2, outside -> x/a"],
  },
  {
    name: "the block of all addresses",
    source: cidr,
    change: into(block("0.0.0.0/0")),
    becomes: [],
  },
  {
    name: "one address of a pod",
    source: cidr,
    change: into(block("192.168.103.22/32")),
    becomes: ["deny any -> x/a", "allow y/b -> x/a"],
  },
  {
    name: "a block that begins and ends between pods of one node",
    source: cidr,
    change: into(block("192.168.101.16/28")),
    becomes: ["deny any -> x/a", "allow y/c -> x/a"],
  },
  {
    name: "a block of another family names nobody here",
    source: cidr,
    change: into(block("2001:db8::/32")),
    becomes: ["deny any -> x/a"],
  },
  {
    name: "a block with a port",
    source: "traffic is allowed by a rule if it matches both from and ports",
    change: applied(
      networkPolicy("x", "blocks", {
        podSelector: { matchLabels: { pod: "a" } },
        ingress: [
          { from: [block("172.18.9.0/24", "172.18.9.20/32")], ports: [{ port: 80 }] },
          { ports: [{ port: 81 }] },
        ],
      }),
    ),
    becomes: ["deny any -> x/a", "allow outside-1 -> x/a on TCP/80", "allow any -> x/a on TCP/81"],
  },
  {
    name: "egress to one address outside",
    source: cidr,
    change: outOf(block("172.18.9.10/32")),
    becomes: ["deny x/* -> any", "allow x/* -> outside-1"],
  },
  {
    name: "egress to everything but one address",
    source: except,
    change: outOf(block("0.0.0.0/0", "169.254.169.254/32")),
    becomes: ["deny x/* -> metadata"],
  },
  {
    name: "egress to everything but the pods' network",
    source: except,
    change: outOf(block("0.0.0.0/0", "192.168.0.0/16")),
    becomes: ["deny x/* -> pods"],
  },
  {
    name: "egress to a pod's address reaches it through its Service too, whose own address counts for nothing",
    source:
      "ipBlock: whether it is judged before or after a Service's address is rewritten is the implementation's; here after",
    change: outOf(block("192.168.102.21/32"), block("10.96.0.0/12")),
    becomes: ["deny x/* -> any", "allow x/* -> y/a"],
  },
  {
    name: "egress exceptions in two blocks of one rule",
    source: except,
    change: outOf(
      block("192.168.101.0/24", "192.168.101.32/32"),
      block("172.18.0.0/16", "172.18.1.0/24", "172.18.9.20/32"),
    ),
    becomes: ["deny x/* -> any", "allow x/* -> x/a, y/c, node-2, outside-1"],
  },
];
