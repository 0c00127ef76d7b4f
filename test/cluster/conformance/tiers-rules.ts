/** What the rules of Calico's policies match. */
import { applied, type Case, type Change, calicoObject } from "./case.ts";

/** One GlobalNetworkPolicy for ingress of the pods of x. */
function global(...ingress: readonly object[]): readonly Change[] {
  return applied(
    calicoObject(
      "GlobalNetworkPolicy",
      { name: "rules" },
      { namespaceSelector: "team == 'x'", types: ["Ingress"], ingress },
    ),
  );
}

/** One NetworkPolicy in x, for ingress of all its pods. */
function own(...ingress: readonly object[]): readonly Change[] {
  return applied(
    calicoObject(
      "NetworkPolicy",
      { namespace: "x", name: "rules" },
      { selector: "all()", types: ["Ingress"], ingress },
    ),
  );
}

/** One NetworkPolicy in z, for egress of all its pods. */
function outOfZ(...egress: readonly object[]): readonly Change[] {
  return applied(
    calicoObject("NetworkPolicy", { namespace: "z", name: "rules" }, { selector: "all()", types: ["Egress"], egress }),
  );
}

const allowFrom = (source: object, more: object = {}) => ({ action: "Allow", ...more, source });
const isolated = "deny any -> x/*";
const entity = "source: all of its fields must match";
const selector =
  "selector: in a policy of a namespace, without namespaceSelector, only endpoints of that namespace match";

const selectors: readonly Case[] = [
  {
    name: "a selector in a NetworkPolicy names pods of its own namespace",
    source: selector,
    change: own(allowFrom({ selector: "pod == 'b'" })),
    becomes: [isolated, "allow x/b -> x/*"],
  },
  {
    name: "a selector in a GlobalNetworkPolicy names pods of every namespace",
    source: selector,
    change: global(allowFrom({ selector: "pod == 'b'" })),
    becomes: [isolated, "allow */b -> x/*"],
  },
  {
    name: "namespaceSelector and selector must both match",
    source: entity,
    change: own(allowFrom({ namespaceSelector: "env == 'prod'", selector: "has(rank)" })),
    becomes: [isolated, "allow x/a, x/b, y/a, y/b -> x/*"],
  },
  {
    name: "namespaceSelector all() names every pod",
    source: "namespaceSelector: all() matches every endpoint of a namespace",
    change: own(allowFrom({ namespaceSelector: "all()" })),
    becomes: [isolated, "allow pods -> x/*"],
  },
  {
    name: "notSelector in a NetworkPolicy stays in its namespace",
    source: selector,
    change: own(allowFrom({ notSelector: "pod == 'b'" })),
    becomes: [isolated, "allow x/a, x/c -> x/*"],
  },
  {
    name: "notSelector in a GlobalNetworkPolicy names everybody else, nodes and what is outside too",
    source: "notSelector: negates the match of the selector",
    change: global(allowFrom({ notSelector: "pod == 'b'" })),
    becomes: ["deny */b -> x/*"],
  },
  {
    name: "operators of selectors",
    source: "selector grammar: in, not in, contains, starts with, ends with, has, !, &&, ||, parentheses",
    change: global(
      allowFrom({
        selector: "app starts with 'w' && rank not in {'2', '3'} && team != 'none'",
        namespaceSelector: "team in {'y', 'z'}",
      }),
      allowFrom({
        selector: "!has(rank) && (app ends with 'pi' || app contains 'x')",
        namespaceSelector: "purpose != 'monitoring'",
      }),
    ),
    becomes: [isolated, "allow y/a, z/a, x/c, z/c -> x/*"],
  },
  {
    name: "a namespace's labels are its pods' under pcns",
    source: "endpoints inherit their namespace's labels as pcns.KEY, and its name as pcns.projectcalico.org/name",
    change: global(
      allowFrom({
        selector:
          "pcns.env == 'test' || pcns.projectcalico.org/name == 'kube-system' || projectcalico.org/namespace == 'y'",
      }),
    ),
    becomes: [isolated, "allow y/*, z/*, kube-system/dns -> x/*"],
  },
  {
    name: "names of service accounts",
    source: "serviceAccounts names: matches endpoints that run as one of them, in a NetworkPolicy of its own namespace",
    change: own(allowFrom({ serviceAccounts: { names: ["robot"] } })),
    becomes: [isolated, "allow x/b -> x/*"],
  },
  {
    name: "labels of service accounts",
    source: "serviceAccounts selector: matches by the labels of the service account",
    change: global(allowFrom({ serviceAccounts: { selector: "role == 'robot'" } })),
    becomes: [isolated, "allow */b -> x/*"],
  },
  {
    name: "a policy selects by service account",
    source: "serviceAccountSelector: selects the pods to which the policy applies by their service account's labels",
    change: applied(
      calicoObject(
        "NetworkPolicy",
        { namespace: "y", name: "robots" },
        { serviceAccountSelector: "role == 'robot'", types: ["Ingress", "Egress"] },
      ),
    ),
    becomes: ["deny any -> y/b", "deny y/b -> any"],
  },
];

const networks: readonly Case[] = [
  {
    name: "nets and notNets",
    source: entity,
    change: global(
      allowFrom({ nets: ["172.18.0.0/16", "192.168.102.0/24"], notNets: ["172.18.9.20/32", "192.168.102.32/28"] }),
    ),
    becomes: [isolated, "allow nodes, outside-1, x/b, y/a, kube-system/dns -> x/*"],
  },
  {
    name: "nets and a selector must both match",
    source: entity,
    change: global(allowFrom({ nets: ["192.168.101.0/24"], selector: "pod in {'a', 'b'}" })),
    becomes: [isolated, "allow x/a, z/b -> x/*"],
  },
  {
    name: "a GlobalNetworkSet is named by its labels",
    source: "GlobalNetworkSet: selectors of rules match its networks by its labels",
    before: [
      calicoObject(
        "GlobalNetworkSet",
        { name: "blocked", labels: { blocked: "yes" } },
        { nets: ["172.18.9.20/32", "172.18.2.0/24"] },
      ),
    ],
    change: global({ action: "Deny", source: { selector: "blocked == 'yes'" } }, { action: "Allow" }),
    becomes: ["deny outside-2, node-2 -> x/*"],
  },
  {
    name: "a GlobalNetworkSet's networks are edited",
    source: "GlobalNetworkSet: selectors of rules match its networks by its labels",
    before: [
      calicoObject("GlobalNetworkSet", { name: "blocked", labels: { blocked: "yes" } }, { nets: ["172.18.9.20/32"] }),
      calicoObject(
        "GlobalNetworkPolicy",
        { name: "block" },
        {
          namespaceSelector: "team == 'x'",
          types: ["Ingress"],
          ingress: [{ action: "Deny", source: { selector: "has(blocked)" } }, { action: "Allow" }],
        },
      ),
    ],
    was: ["deny outside-2 -> x/*"],
    change: applied(
      calicoObject(
        "GlobalNetworkSet",
        { name: "blocked", labels: { blocked: "yes" } },
        { nets: ["172.18.9.0/28", "192.168.103.22/32"] },
      ),
    ),
    becomes: ["deny outside-1, y/b -> x/*"],
  },
  {
    name: "global() names what is of no namespace",
    source: "namespaceSelector: global() matches what is of no namespace, e.g. a GlobalNetworkSet",
    before: [
      calicoObject("GlobalNetworkSet", { name: "partners", labels: { pod: "a" } }, { nets: ["172.18.9.10/32"] }),
    ],
    change: own(allowFrom({ namespaceSelector: "global()", selector: "pod == 'a'" })),
    becomes: [isolated, "allow outside-1 -> x/*"],
  },
  {
    name: "a NetworkSet is of its namespace",
    source: "NetworkSet: rules of its own namespace name it by a selector alone, those of another by namespaceSelector",
    before: [
      calicoObject(
        "NetworkSet",
        { namespace: "x", name: "ours", labels: { set: "ours" } },
        { nets: ["172.18.9.10/32"] },
      ),
      calicoObject(
        "NetworkSet",
        { namespace: "y", name: "theirs", labels: { set: "theirs" } },
        { nets: ["172.18.9.20/32"] },
      ),
    ],
    change: own(
      allowFrom({ selector: "has(set)" }, { protocol: "TCP" }),
      allowFrom({ selector: "has(set)", namespaceSelector: "team == 'y'" }, { protocol: "UDP" }),
    ),
    becomes: [isolated, "allow outside-1 -> x/* on TCP", "allow outside-2 -> x/* on UDP"],
  },
  {
    name: "egress to a Service's endpoints and ports",
    source: "destination services: matches the addresses, protocols and ports of the Service's endpoints",
    change: outOfZ({ action: "Allow", destination: { services: { namespace: "y", name: "to-a" } } }),
    becomes: ["deny z/* -> any", "allow z/* -> y/a on TCP, UDP, SCTP"],
  },
  {
    name: "ingress from a Service's endpoints",
    source: "source services: matches the addresses of the Service's endpoints",
    change: own(allowFrom({ services: { namespace: "z", name: "to-b" } })),
    becomes: [isolated, "allow z/b -> x/*"],
  },
];

/** Cases of whom rules name. */
export const tierEntityCases: readonly Case[] = [...selectors, ...networks];
