import { expect, test } from "vitest";
import type { KubePeer, KubePort, LabelSelector } from "../../../../../src/api/objects.ts";
import { formatSelector } from "../../../../../src/api/selector/format-selector.ts";
import { compilePolicy } from "../../../../../src/felix/calc/compile/compile-policy.ts";
import type { RulePlan, SetId } from "../../../../../src/felix/calc/plan.ts";
import { costOf } from "../../../../../src/felix/calc/policy-cost.ts";
import { parseCidr } from "../../../../../src/net/cidr.ts";
import { compiled, everything, kube, onlyIngress, setText } from "./policies.ts";

const web: LabelSelector = { matchLabels: { app: "web" }, matchExpressions: [] };
const ownPods = '(projectcalico.org/namespace == "shop" && projectcalico.org/orchestrator == "k8s")';

test("it applies to pods of its namespace, in the tier default at order 1000", () => {
  const policy = compiled("networkPolicy", { ...kube([], []), podSelector: web });
  const text = '(app == "web" && projectcalico.org/namespace == "shop" && projectcalico.org/orchestrator == "k8s")';
  expect(formatSelector(policy.appliesTo)).toBe(text);
  const facts = { id: "knp/shop/p", tier: "default", order: 1000, sortName: "p/shop/KubernetesNetworkPolicy" };
  expect(policy).toMatchObject({ ...facts, namespace: "shop", stage: "normal", applyOnForward: false });
  const revision = { uid: "u", generation: 3 };
  expect(policy.plan).toMatchObject({ id: "knp/shop/p", tier: "default", selector: text, staged: false, revision });
  expect(policy.plan.problems).toEqual([]);
});

test("no peers and no ports: one rule for everything", () => {
  expect(ingressOf([], [])).toEqual([{ action: "allow", origin: 0, source: {}, destination: {} }]);
});

test("one rule for each protocol and peer, with ports merged into ranges", () => {
  const except = [parseCidr("10.1.0.0/16")];
  const rules = ingressOf(
    [
      { ...block("10.0.0.0/8"), except },
      { ...block("fd00::/8"), except },
    ],
    [tcp(81), tcp(80), tcp(90, 100), tcp(95, 120), { ...tcp(53), protocol: "UDP" }],
  );
  const v4 = { ipVersion: 4, source: { nets: ["10.0.0.0/8"], notNets: ["10.1.0.0/16"] } };
  const v6 = { ipVersion: 6, source: { nets: ["fd00::/8"] } };
  const many = { protocol: 6, destination: numbered([80, 81], [90, 120]) };
  const dns = { protocol: 17, destination: numbered([53, 53]) };
  const expected = [
    { ...many, ...v6 },
    { ...many, ...v4 },
    { ...dns, ...v6 },
    { ...dns, ...v4 },
  ];
  expect(rules).toEqual(expected.map((one) => ({ action: "allow", origin: 0, ...one })));
});

test("networks without exceptions are one rule for each family, and pods named twice are one", () => {
  const pods: KubePeer = { kind: "pods", podSelector: web };
  const nets = ["10.0.0.0/8", "fd00::/8", "11.0.0.0/8", "10.0.0.0/8"].map(block);
  expect(ingressOf([pods, ...nets, pods], [])).toMatchObject([
    { source: { sets: [expect.any(String)] } },
    { ipVersion: 4, source: { nets: ["10.0.0.0/8", "11.0.0.0/8"] } },
    { ipVersion: 6, source: { nets: ["fd00::/8"] } },
  ]);
});

test("what lets nothing through is no rule", () => {
  expect(ingressOf([{ ...block("10.0.0.0/8"), except: [parseCidr("0.0.0.0/0")] }], [])).toEqual([]);
});

test("a protocol without a port is all its ports", () => {
  const all: KubePort = { protocol: "SCTP", port: undefined, endPort: undefined };
  const rules = ingressOf([], [all, { ...tcp(1), protocol: "SCTP" }]);
  expect(rules).toEqual([{ action: "allow", origin: 0, protocol: 132, source: {}, destination: {} }]);
});

test("a port's name means a port of the pods that the policy applies to", () => {
  const policy = compiled("networkPolicy", kube([], [{ ...tcp(1), port: "http" }, tcp(80)]));
  const { protocol, destination } = onlyIngress(policy);
  expect(protocol).toBe(6);
  expect(destination.ports?.ranges).toEqual([{ first: 80, last: 80 }]);
  expect(destination.ports?.sets.map((id) => setText(policy, id))).toEqual([`http/6 of ${ownPods} in shop`]);
});

test("a port's name does not stand for who may come in by it", () => {
  const peer: KubePeer = { kind: "pods", podSelector: web };
  const policy = compiled("networkPolicy", kube([peer], [{ ...tcp(1), port: "http" }]));
  const { source, destination } = onlyIngress(policy);
  expect([source.sets?.length, destination.ports?.sets.length]).toEqual([1, 1]);
});

test("one peer in two namespaces is two sets, and one set for two policies of a namespace", () => {
  const policy = kube([{ kind: "pods", podSelector: web }], []);
  const [one, same, other] = ["shop", "shop", "data"].map((namespace) => {
    const [source] = compiled("networkPolicy", { ...structuredClone(policy), namespace }).sets.values();
    return source;
  });
  expect(same).toBe(one);
  expect(other).toMatchObject({ namespace: "data" });
  expect(other?.id).not.toBe(one?.id);
});

test("on the way out a port's name means a port of the peers, or of any pod", () => {
  const ports: readonly KubePort[] = [{ protocol: "UDP", port: "dns", endPort: undefined }];
  const peers: readonly KubePeer[] = [{ kind: "pods", podSelector: web }, block("10.0.0.0/8")];
  const egress = [
    { peers, ports },
    { peers: [], ports },
  ];
  const policy = compiled("networkPolicy", { ...kube([], []), types: ["Egress"], egress });
  const [toPods, toBlock, toAny, ...others] = policy.plan.egress.map(({ destination }) => destination);
  expect(others).toEqual([]);
  const dnsOf = (destination: typeof toPods) => destination?.ports?.sets.map((id) => setText(policy, id));
  expect(dnsOf(toPods)).toEqual([`dns/17 of (app == "web" && ${ownPods.slice(1)} in shop`]);
  expect(toPods?.sets).toBeUndefined();
  expect(toBlock?.nets).toEqual(["10.0.0.0/8"]);
  for (const destination of [toBlock, toAny]) {
    expect(dnsOf(destination)).toEqual(['dns/17 of projectcalico.org/orchestrator == "k8s" in any']);
  }
});

test("egress rules name the peer and the port on the same side", () => {
  const egress = [{ peers: [block("10.0.0.0/8")], ports: [tcp(80)] }];
  const { plan } = compiled("networkPolicy", { ...kube([], []), types: ["Egress"], egress });
  expect(plan.egress).toMatchObject([{ source: {}, destination: { nets: ["10.0.0.0/8"], ...numbered([80, 80]) } }]);
  const byPods = [{ peers: [{ kind: "pods", podSelector: web }] as const, ports: [tcp(80), { ...tcp(1), port: "x" }] }];
  const mixed = compiled("networkPolicy", { ...kube([], []), types: ["Egress"], egress: byPods });
  expect(mixed.plan.egress[0]?.destination.sets).toHaveLength(1);
});

test("pods by many ports are one peer, on the way in and out", () => {
  const db: LabelSelector = { matchLabels: { app: "db" }, matchExpressions: [] };
  const peers: readonly KubePeer[] = [web, db].map((podSelector) => ({ kind: "pods", podSelector }));
  const ports: readonly KubePort[] = [
    { ...tcp(1), port: "http" },
    { protocol: "UDP", port: "dns", endPort: undefined },
    tcp(80),
  ];
  const rules = [{ peers, ports }];
  const types = ["Ingress", "Egress"] as const;
  const policy = compiled("networkPolicy", { ...kube([], []), types, ingress: rules, egress: rules });
  const any = `((app == "db" || app == "web") && ${ownPods.slice(1)} in shop`;
  const textsOf = (ids: readonly SetId[] | undefined) => ids?.map((id) => setText(policy, id));
  const sidesOf = ({ source, destination }: RulePlan) => [
    [source, destination].map(({ sets }) => textsOf(sets)),
    destination.ports?.ranges.length,
    textsOf(destination.ports?.sets),
  ];
  expect(policy.plan.ingress.map(sidesOf)).toEqual([
    [[[any], undefined], 1, [`http/6 of ${ownPods} in shop`]],
    [[[any], undefined], 0, [`dns/17 of ${ownPods} in shop`]],
  ]);
  expect(policy.plan.egress.map(sidesOf)).toEqual([
    [[undefined, [any]], 1, [`http/6 of ${any}`]],
    [[undefined, undefined], 0, [`dns/17 of ${any}`]],
  ]);
});

test.each([
  [10, "all ports", [], 10],
  [11, "all ports", [], 1],
  [2, "one named port", [{ ...tcp(1), port: "http" }], 2],
  [2, "7 numbers", numbers(7), 2],
  [2, "8 numbers", numbers(8), 1],
])("%i pod peers by %s: rules with a set each", (count, _, ports, rules) => {
  const policy = compiled("networkPolicy", kube(podPeers(count), ports));
  expect(policy.plan.ingress.map(({ source }) => source.sets?.length)).toEqual(Array(rules).fill(1));
  expect(new Set(policy.plan.ingress.flatMap(({ source }) => source.sets)).size).toBe(rules);
});

test.each(["ingress", "egress"] as const)(
  "%s: rules and sets grow with peers and ports, not with their product",
  (way) => {
    const names = Array.from({ length: 200 }, (_, index): KubePort => ({ ...tcp(1), port: `p${index}` }));
    const rule = { peers: [...podPeers(200), ...blocks(200)], ports: [...names, ...numbers(200)] };
    const types = ["Ingress", "Egress"] as const;
    const policy = compiled("networkPolicy", { ...kube([], []), types, [way]: [rule] });
    const rules = policy.plan[way];
    const ports = rules.map((one) => one.destination.ports);
    expect(ports.map((one) => [one?.ranges.length, one?.sets.length])).toEqual([
      [200, 200],
      [200, 200],
    ]);
    // On the way out names mean ports of the peers, and by networks those of any pod.
    expect(policy.sets.size).toBe(way === "ingress" ? 201 : 401);
    expect(costOf(policy.plan).lines).toBeLessThan(1500);
  },
);

test("rules of a direction that the policy is not about do not count", () => {
  const rules = [{ peers: [], ports: [] }];
  const { plan, applies } = compiled("networkPolicy", { ...kube([], []), types: ["Egress"], ingress: rules });
  expect(plan.ingress).toEqual([]);
  expect(applies).toEqual({ ingress: false, egress: true });
});

test("a rule keeps its place in the object", () => {
  const rules = [80, 81].map((port) => ({ peers: [], ports: [tcp(port)] }));
  const { plan } = compiled("networkPolicy", { ...kube([], []), ingress: rules });
  expect(plan.ingress.map(({ origin, destination }) => [origin, destination.ports?.ranges[0]?.first])).toEqual([
    [0, 80],
    [1, 81],
  ]);
});

test.for<[string, KubePeer, string]>([
  [
    "pods of the policy's namespace",
    { kind: "pods", podSelector: web },
    `(app == "web" && ${ownPods.slice(1)} in shop`,
  ],
  ["every pod", { kind: "pods", namespaceSelector: everything }, 'projectcalico.org/orchestrator == "k8s" in any'],
  [
    "pods of some namespaces",
    { kind: "pods", namespaceSelector: web, podSelector: web },
    '(app == "web" && pcns.app == "web" && projectcalico.org/orchestrator == "k8s") in any',
  ],
])("the set of %s", ([, peer, text]) => {
  const policy = compiled("networkPolicy", kube([peer, peer], []));
  expect([...policy.sets.keys()].map((id) => setText(policy, id))).toEqual([text]);
  expect(onlyIngress(policy).source).toEqual({ sets: [...policy.sets.keys()] });
  expect([...policy.sets.keys()][0]).toMatch(/^s:[A-Za-z0-9_-]{23}$/);
});

test("a set has the same name in every process", () => {
  const [id] = compiled("networkPolicy", kube([{ kind: "pods", podSelector: web }], [])).sets.keys();
  expect(id).toBe("s:86ND4F8tFMoRxpQqXkyE1Ca");
});

test("a staged one is the same policy, staged", () => {
  const policy = kube([], [tcp(80)]);
  const { plan } = compiled("networkPolicy", policy);
  const staged = compiled("stagedKubernetesNetworkPolicy", { ...policy, stagedAction: "Set" });
  expect(staged).toMatchObject({ order: 1000, tier: "default", sortName: "p/shop/StagedKubernetesNetworkPolicy" });
  expect(staged.plan).toEqual({ ...plan, id: "sknp/shop/p", staged: true });
  for (const stagedAction of ["Delete", "Learn", "Ignore"] as const) {
    expect(compilePolicy("stagedKubernetesNetworkPolicy", { ...policy, stagedAction })).toBeUndefined();
  }
});

// --- internal ---

function block(cidr: string): KubePeer & { readonly kind: "block" } {
  return { kind: "block", cidr: parseCidr(cidr), except: [] };
}

function blocks(count: number): readonly KubePeer[] {
  return Array.from({ length: count }, (_, index) => block(`10.0.${index}.0/24`));
}

/** In sets of their own each. */
function podPeers(count: number): readonly KubePeer[] {
  const selectors = Array.from({ length: count }, (_, index) => ({ ...web, matchLabels: { app: `a${index}` } }));
  return selectors.map((podSelector) => ({ kind: "pods", podSelector }));
}

/** No two of them are one range. */
function numbers(count: number): readonly KubePort[] {
  return Array.from({ length: count }, (_, index) => tcp(2 * index + 1));
}

function ingressOf(peers: readonly KubePeer[], ports: readonly KubePort[]) {
  return compiled("networkPolicy", kube(peers, ports)).plan.ingress;
}

function numbered(...ranges: readonly (readonly [first: number, last: number])[]) {
  return { ports: { ranges: ranges.map(([first, last]) => ({ first, last })), sets: [] } };
}

function tcp(port: number, endPort?: number): KubePort {
  return { protocol: "TCP", port, endPort };
}
