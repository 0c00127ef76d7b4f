/** ClusterNetworkPolicy (policy.networking.k8s.io/v1alpha2): tiers, priorities, actions, and what stands beside them. */
import { applied, type Case, clusterPolicy, networkPolicy, removed } from "./case.ts";
import type { KubeObject } from "./objects.ts";

const team = (name: string) => ({ namespaces: { matchLabels: { team: name } } });
const podsOf = (name: string, letter: string) => ({
  pods: { namespaceSelector: { matchLabels: { team: name } }, podSelector: { matchLabels: { pod: letter } } },
});
const everyNamespace = { namespaces: {} };
const from = (action: string, ...peers: readonly object[]) => ({ action, from: peers });
const to = (action: string, ...peers: readonly object[]) => ({ action, to: peers });

/** For the pods of x. */
function forX(tier: "Admin" | "Baseline", priority: number, ...ingress: readonly object[]): KubeObject {
  return clusterPolicy(`${tier.toLowerCase()}-${priority}`, { tier, priority, subject: team("x"), ingress });
}

/** x is isolated, and lets in whoever the peers name. */
function lets(...peers: readonly object[]): KubeObject {
  return networkPolicy("x", "lets", { podSelector: {}, ingress: peers.length === 0 ? [] : [{ from: peers }] });
}

const fromTeam = (name: string) => ({ namespaceSelector: { matchLabels: { team: name } } });
const asIs =
  "any well-defined ClusterNetworkPolicy rules should be read as-is: no implicit isolation of the pods it selects";
const admin = "Admin tier: takes precedence over all other policies; Accept and Deny are final";
const pass = "action Pass: the tier's remaining rules are skipped, and evaluation goes on with the next tier";
const baseline = "Baseline tier: applies to traffic that no policy of the Admin tier and no NetworkPolicy has decided";
const priority = "priority: policies with lower priority numbers have higher precedence";
const ordered = "rules are evaluated in order; the first that matches decides";

const adminTier: readonly Case[] = [
  {
    name: "Admin Deny cuts whom it names and isolates nobody",
    source: asIs,
    change: applied(forX("Admin", 10, from("Deny", team("y")))),
    becomes: ["deny y/* -> x/*"],
  },
  {
    name: "Admin Accept isolates nobody",
    source: asIs,
    change: applied(forX("Admin", 10, from("Accept", team("y")))),
    becomes: [],
  },
  {
    name: "Admin Deny of every namespace leaves nodes and what is outside alone",
    source: "namespaces: selects pods of the namespaces; what is no pod is no peer",
    change: applied(forX("Admin", 10, from("Deny", everyNamespace))),
    becomes: ["deny pods -> x/*"],
  },
  {
    name: "Admin Deny outdoes a NetworkPolicy that allows",
    source: admin,
    before: [lets(fromTeam("y"), fromTeam("z"))],
    was: ["deny any -> x/*", "allow y/*, z/* -> x/*"],
    change: applied(forX("Admin", 10, from("Deny", team("y")))),
    becomes: ["deny any -> x/*", "allow z/* -> x/*"],
  },
  {
    name: "Admin Accept outdoes a NetworkPolicy that isolates",
    source: admin,
    before: [lets()],
    was: ["deny any -> x/*"],
    change: applied(forX("Admin", 10, from("Accept", team("y")))),
    becomes: ["deny any -> x/*", "allow y/* -> x/*"],
  },
  {
    name: "Admin Accept of egress outdoes a NetworkPolicy that isolates",
    source: admin,
    before: [networkPolicy("z", "closed", { podSelector: {}, policyTypes: ["Egress"] })],
    was: ["deny z/* -> any"],
    change: applied(
      clusterPolicy("admin-out", {
        tier: "Admin",
        priority: 1,
        subject: team("z"),
        egress: [to("Accept", podsOf("x", "b"))],
      }),
    ),
    becomes: ["deny z/* -> any", "allow z/* -> x/b"],
  },
  {
    name: "Admin Accept at one end is no Accept at the other",
    source: "egress rules decide for the source pod, ingress rules for the destination",
    change: applied(
      clusterPolicy("admin-out", { tier: "Admin", priority: 1, subject: team("z"), egress: [to("Accept", team("x"))] }),
      forX("Admin", 500, from("Deny", team("z"))),
    ),
    becomes: ["deny z/* -> x/*"],
  },
  {
    name: "the lower priority number comes first",
    source: priority,
    change: applied(forX("Admin", 20, from("Deny", everyNamespace)), forX("Admin", 10, from("Accept", team("y")))),
    becomes: ["deny pods -> x/*", "allow y/* -> x/*"],
  },
  {
    name: "priorities 0 and 1000 are the first and the last",
    source: priority,
    change: applied(
      forX("Admin", 1000, from("Deny", everyNamespace)),
      forX("Admin", 999, from("Accept", team("z"))),
      forX("Admin", 0, from("Deny", podsOf("z", "c"))),
    ),
    becomes: ["deny pods -> x/*", "allow z/* -> x/*", "deny z/c -> x/*"],
  },
  {
    name: "a policy's priority is edited",
    source: priority,
    before: [
      forX("Admin", 20, from("Deny", everyNamespace)),
      clusterPolicy("moves", { tier: "Admin", priority: 10, subject: team("x"), ingress: [from("Accept", team("y"))] }),
    ],
    was: ["deny pods -> x/*", "allow y/* -> x/*"],
    change: applied(
      clusterPolicy("moves", { tier: "Admin", priority: 30, subject: team("x"), ingress: [from("Accept", team("y"))] }),
    ),
    becomes: ["deny pods -> x/*"],
  },
  {
    name: "the first rule of a policy that matches decides",
    source: ordered,
    change: applied(forX("Admin", 10, from("Accept", podsOf("y", "a")), from("Deny", team("y")))),
    becomes: ["deny y/* -> x/*", "allow y/a -> x/*"],
  },
  {
    name: "a rule behind one that matches decides nothing",
    source: ordered,
    change: applied(forX("Admin", 10, from("Deny", team("y")), from("Accept", podsOf("y", "a")))),
    becomes: ["deny y/* -> x/*"],
  },
  {
    name: "an Admin policy is deleted",
    source: asIs,
    before: [forX("Admin", 10, from("Deny", everyNamespace))],
    was: ["deny pods -> x/*"],
    change: removed(forX("Admin", 10)),
    becomes: [],
  },
];

const passAndBaseline: readonly Case[] = [
  {
    name: "Pass leaves the decision to NetworkPolicies",
    source: pass,
    before: [lets({ ...fromTeam("y"), podSelector: { matchLabels: { pod: "a" } } })],
    was: ["deny any -> x/*", "allow y/a -> x/*"],
    change: applied(forX("Admin", 10, from("Pass", team("y"))), forX("Admin", 20, from("Deny", everyNamespace))),
    becomes: ["deny any -> x/*", "allow y/a -> x/*"],
  },
  {
    name: "Pass where nothing else decides lets through",
    source: pass,
    change: applied(forX("Admin", 10, from("Pass", team("y"))), forX("Admin", 20, from("Deny", everyNamespace))),
    becomes: ["deny pods -> x/*", "allow y/* -> x/*"],
  },
  {
    name: "Pass goes to Baseline where no NetworkPolicy selects the pod",
    source: pass,
    change: applied(
      forX("Admin", 10, from("Pass", team("y")), from("Deny", team("z"))),
      forX("Baseline", 10, from("Deny", podsOf("y", "c"))),
    ),
    becomes: ["deny z/*, y/c -> x/*"],
  },
  {
    name: "Baseline Deny cuts where no NetworkPolicy selects the pod",
    source: baseline,
    change: applied(forX("Baseline", 10, from("Deny", everyNamespace))),
    becomes: ["deny pods -> x/*"],
  },
  {
    name: "Baseline Deny is outdone by a NetworkPolicy that allows",
    source: baseline,
    before: [forX("Baseline", 10, from("Deny", everyNamespace))],
    was: ["deny pods -> x/*"],
    change: applied(
      networkPolicy("x", "to-a", { podSelector: { matchLabels: { pod: "a" } }, ingress: [{ from: [fromTeam("y")] }] }),
    ),
    becomes: ["deny pods -> x/*", "deny any -> x/a", "allow y/* -> x/a"],
  },
  {
    name: "Baseline Accept opens nothing that a NetworkPolicy isolates",
    source: baseline,
    before: [lets()],
    was: ["deny any -> x/*"],
    change: applied(forX("Baseline", 10, from("Accept", everyNamespace))),
    becomes: ["deny any -> x/*"],
  },
  {
    name: "a NetworkPolicy of one direction leaves the other to Baseline",
    source: baseline,
    before: [lets(fromTeam("z"))],
    was: ["deny any -> x/*", "allow z/* -> x/*"],
    change: applied(
      clusterPolicy("baseline-out", {
        tier: "Baseline",
        priority: 1,
        subject: team("x"),
        egress: [to("Deny", team("y"))],
      }),
    ),
    becomes: ["deny any -> x/*", "allow z/* -> x/*", "deny x/* -> y/*"],
  },
  {
    name: "Admin Accept outdoes Baseline Deny",
    source: admin,
    change: applied(forX("Baseline", 0, from("Deny", everyNamespace)), forX("Admin", 1000, from("Accept", team("z")))),
    becomes: ["deny pods -> x/*", "allow z/* -> x/*"],
  },
  {
    name: "Baseline Pass skips what is left of the tier",
    source: pass,
    change: applied(forX("Baseline", 1, from("Pass", team("y"))), forX("Baseline", 2, from("Deny", everyNamespace))),
    becomes: ["deny pods -> x/*", "allow y/* -> x/*"],
  },
  {
    name: "Baseline policies have priorities too",
    source: priority,
    change: applied(
      forX("Baseline", 2, from("Accept", podsOf("y", "b"))),
      forX("Baseline", 1, from("Deny", team("y"))),
    ),
    becomes: ["deny y/* -> x/*"],
  },
  {
    name: "a policy moves from Baseline to Admin",
    source: admin,
    before: [
      lets(fromTeam("y")),
      clusterPolicy("moves", { tier: "Baseline", priority: 1, subject: team("x"), ingress: [from("Deny", team("y"))] }),
    ],
    was: ["deny any -> x/*", "allow y/* -> x/*"],
    change: applied(
      clusterPolicy("moves", { tier: "Admin", priority: 1, subject: team("x"), ingress: [from("Deny", team("y"))] }),
    ),
    becomes: ["deny any -> x/*"],
  },
];

/** Cases of tiers and actions. */
export const clusterTierCases: readonly Case[] = [...adminTier, ...passAndBaseline];
