import { expect, test } from "vitest";
import type { ClusterRule } from "../../../../../src/api/kubernetes/cluster-network-policy.ts";
import type { LabelSelector } from "../../../../../src/api/objects.ts";
import { parseCidr } from "../../../../../src/net/cidr.ts";
import { cluster, compiled, everything, setText } from "./policies.ts";

const web: LabelSelector = { matchLabels: { app: "web" }, matchExpressions: [] };
const denyAll: ClusterRule = { name: "", action: "Deny", peers: [], ports: [] };

test("a policy of the tier Admin for the directions that it has rules for", () => {
  const policy = compiled("clusterNetworkPolicy", cluster({ ingress: [denyAll] }));
  const facts = { id: "kcnp/p", tier: "kube-admin", order: 7, sortName: "p//KubernetesClusterNetworkPolicy" };
  const applies = { ingress: true, egress: false };
  expect(policy).toMatchObject({ ...facts, namespace: undefined, applies, stage: "normal", applyOnForward: false });
  expect(policy.plan).toEqual({
    id: "kcnp/p",
    revision: { uid: "u", generation: 3 },
    tier: "kube-admin",
    selector: 'projectcalico.org/orchestrator == "k8s"',
    staged: false,
    ingress: [{ action: "deny", origin: 0, source: {}, destination: {} }],
    egress: [],
    problems: [],
  });
});

test("the tier Baseline, and pods of some namespaces", () => {
  const subject = { kind: "pods", namespaceSelector: web, podSelector: web } as const;
  const { tier, plan, applies } = compiled(
    "clusterNetworkPolicy",
    cluster({ tier: "Baseline", subject, egress: [denyAll] }),
  );
  expect([tier, plan.tier]).toEqual(["kube-baseline", "kube-baseline"]);
  expect(applies).toEqual({ ingress: false, egress: true });
  expect(plan.selector).toBe('(app == "web" && pcns.app == "web" && projectcalico.org/orchestrator == "k8s")');
});

test("rules that could not be read: their problems are the policy's, and a rule for no network is none", () => {
  const nobody = { ...denyAll, action: "Accept", peers: [{ kind: "networks", cidrs: [] }] } as const;
  const { plan, applies } = compiled("clusterNetworkPolicy", cluster({ egress: [nobody], problems: ["it is odd"] }));
  expect(plan).toMatchObject({ egress: [], problems: ["it is odd"] });
  expect(applies).toEqual({ ingress: false, egress: true });
});

test("actions, and names of rules", () => {
  const egress = (["Accept", "Deny", "Pass"] as const).map((action) => ({ ...denyAll, action, name: `to ${action}` }));
  const { plan } = compiled("clusterNetworkPolicy", cluster({ egress }));
  expect(plan.egress.map(({ action, origin, name }) => [action, origin, name])).toEqual([
    ["allow", 0, "to Accept"],
    ["deny", 1, "to Deny"],
    ["pass", 2, "to Pass"],
  ]);
});

test("networks of both families, and pods", () => {
  const cidrs = ["10.0.0.0/8", "fd00::/8", "11.0.0.0/8"].map(parseCidr);
  const pods = { kind: "pods", namespaceSelector: everything, podSelector: web } as const;
  const egress = [{ ...denyAll, peers: [{ kind: "networks", cidrs } as const, pods] }];
  const policy = compiled("clusterNetworkPolicy", cluster({ egress }));
  const [toPods, toV4, toV6, ...others] = policy.plan.egress;
  expect(others).toEqual([]);
  expect(setText(policy, toPods?.destination.sets?.[0])).toBe(
    '(app == "web" && projectcalico.org/orchestrator == "k8s") in any',
  );
  expect(toV4).toMatchObject({ ipVersion: 4, destination: { nets: ["10.0.0.0/8", "11.0.0.0/8"] } });
  expect(toV6).toMatchObject({ ipVersion: 6, destination: { nets: ["fd00::/8"] } });
});

test("pods of different namespaces are different sets", () => {
  const peers = [web, everything].map(
    (namespaceSelector) => ({ kind: "pods", namespaceSelector, podSelector: web }) as const,
  );
  const policy = compiled("clusterNetworkPolicy", cluster({ ingress: [{ ...denyAll, peers }] }));
  expect(policy.sets.size).toBe(2);
});

test("one rule for each protocol, and one for names of ports of any protocol", () => {
  const range = (first: number, last: number) => ({ first, last });
  const ports = [
    { protocol: 6, range: range(80, 81) },
    { protocol: 17, range: undefined },
    { name: "http" },
    { protocol: 6, range: range(82, 90) },
    { name: "metrics" },
  ];
  const policy = compiled("clusterNetworkPolicy", cluster({ ingress: [{ ...denyAll, ports }] }));
  const [tcp, udp, named, ...others] = policy.plan.ingress;
  expect(others).toEqual([]);
  expect(tcp).toMatchObject({ protocol: 6, destination: { ports: { ranges: [range(80, 90)], sets: [] } } });
  expect(udp).toEqual({ action: "deny", origin: 0, protocol: 17, source: {}, destination: {} });
  expect(named).not.toHaveProperty("protocol");
  expect(named?.destination.ports?.ranges).toEqual([]);
  expect(named?.destination.ports?.sets.map((id) => setText(policy, id))).toEqual(
    ["http", "metrics"].map((name) => `${name}/any of projectcalico.org/orchestrator == "k8s" in any`),
  );
});
