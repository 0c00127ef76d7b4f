import { expect, test } from "vitest";
import type { PolicyRule, RuleEntity } from "../../../../../src/api/policy-rule.ts";
import { parseCidr } from "../../../../../src/net/cidr.ts";
import { compiled, entity, global, namespaced, onlyIngress, rule, setText } from "./policies.ts";

const v4 = ["10.0.0.0/8", "11.0.0.0/8"].map(parseCidr);
const v6 = ["fd00::/8"].map(parseCidr);
const anyIpv4 = parseCidr("0.0.0.0/0");

test("actions", () => {
  const actions = (["Allow", "Deny", "Pass", "Log"] as const).map((action) => rule({ action }));
  const { plan } = compiled("globalNetworkPolicy", global({ ingress: actions }));
  expect(plan.ingress).toEqual([
    { action: "allow", origin: 0, source: {}, destination: {} },
    { action: "deny", origin: 1, source: {}, destination: {} },
    { action: "pass", origin: 2, source: {}, destination: {} },
    { action: "log", origin: 3, source: {}, destination: {} },
  ]);
});

test.for<[Partial<PolicyRule>, object]>([
  [{ ipVersion: 6 }, { ipVersion: 6 }],
  [{ protocol: 6 }, { protocol: 6 }],
  [{ notProtocol: 1 }, { notProtocol: 1 }],
  [{ protocol: 1 }, { protocol: 1, ipVersion: 4 }],
  [{ protocol: 58 }, { protocol: 58, ipVersion: 6 }],
  [
    { protocol: 1, icmp: {} },
    { protocol: 1, ipVersion: 4 },
  ],
  [
    { protocol: 1, notICMP: {} },
    { protocol: 1, ipVersion: 4 },
  ],
  [
    { protocol: 1, icmp: { type: 8 } },
    { protocol: 1, ipVersion: 4, icmp: { type: 8 } },
  ],
  [
    { protocol: 58, icmp: { type: 0, code: 0 } },
    { protocol: 58, ipVersion: 6, icmp: { type: 0, code: 0 } },
  ],
  [
    { protocol: 1, notICMP: { type: 3, code: 4 } },
    { protocol: 1, ipVersion: 4, notIcmp: { type: 3, code: 4 } },
  ],
  [{ metadata: { annotations: { name: "to db", other: "x" } } }, { name: "to db" }],
  [{ metadata: { annotations: {} } }, {}],
])("a rule with %j", ([given, expected]) => {
  const policy = compiled("globalNetworkPolicy", global({ ingress: [rule(given)] }));
  expect(onlyIngress(policy)).toEqual({ action: "allow", origin: 0, source: {}, destination: {}, ...expected });
});

test.for<[string, Partial<PolicyRule>, readonly object[]]>([
  ["one family", { source: entity({ nets: v4 }) }, [{ ipVersion: 4, source: { nets: v4 }, destination: {} }]],
  [
    "exceptions of one family",
    { destination: entity({ notNets: v6 }) },
    [{ ipVersion: 6, source: {}, destination: { notNets: v6 } }],
  ],
  [
    "both families",
    { source: entity({ nets: [...v4, ...v6] }) },
    [
      { ipVersion: 4, source: { nets: v4 }, destination: {} },
      { ipVersion: 6, source: { nets: v6 }, destination: {} },
    ],
  ],
  [
    "both, and exceptions of one",
    { source: entity({ nets: [...v4, ...v6], notNets: v6 }) },
    [{ ipVersion: 6, source: { nets: v6, notNets: v6 }, destination: {} }],
  ],
  [
    "both, and an exception that leaves nothing of one",
    { source: entity({ nets: [...v4, ...v6], notNets: [...v4, parseCidr("::/0")] }) },
    [{ ipVersion: 4, source: { nets: v4, notNets: v4 }, destination: {} }],
  ],
  ["one family at each end", { source: entity({ nets: v4 }), destination: entity({ nets: v6 }) }, []],
  ["a family that the rule is not for", { ipVersion: 4, source: entity({ nets: v6 }) }, []],
  ["a family that the protocol is not of", { protocol: 1, source: entity({ nets: v6 }) }, []],
  ["a protocol of another family", { protocol: 58, ipVersion: 4 }, []],
  ["an exception that leaves nothing", { source: entity({ nets: v4, notNets: [anyIpv4] }) }, []],
])("networks: %s", ([, given, expected]) => {
  const { plan } = compiled("globalNetworkPolicy", global({ ingress: [rule(given)] }));
  expect(plan.ingress).toEqual(
    expected.map((one) => ({ action: "allow", origin: 0, ...givenProtocol(given), ...one })),
  );
});

const inShop = 'projectcalico.org/namespace == "shop"';

/** What a side asks for, then its set in a namespaced policy, then in a global one. */
test.for<[Partial<RuleEntity>, string | undefined, string | undefined]>([
  [{}, undefined, undefined],
  [{ selector: "a == 'b'" }, `(a == "b" && ${inShop}) in shop`, 'a == "b" in any'],
  [{ selector: "all()" }, `${inShop} in shop`, "all() in any"],
  [{ namespaceSelector: "x == 'y'" }, 'pcns.x == "y" in any', 'pcns.x == "y" in any'],
  [
    { namespaceSelector: "all()", selector: "has(a)" },
    "(has(a) && has(projectcalico.org/namespace)) in any",
    "(has(a) && has(projectcalico.org/namespace)) in any",
  ],
  [
    { namespaceSelector: "global()", selector: "all()" },
    "!has(projectcalico.org/namespace) in any",
    "!has(projectcalico.org/namespace) in any",
  ],
  [
    { namespaceSelector: "x == 'y' || !(all() && has(z))" },
    '(!(has(pcns.z) && has(projectcalico.org/namespace)) || pcns.x == "y") in any',
    '(!(has(pcns.z) && has(projectcalico.org/namespace)) || pcns.x == "y") in any',
  ],
  [
    { serviceAccounts: { names: ["b", "a"], selector: "" } },
    `(${inShop} && projectcalico.org/serviceaccount in {"a", "b"}) in shop`,
    'projectcalico.org/serviceaccount in {"a", "b"} in any',
  ],
  [
    { serviceAccounts: { names: ["a"], selector: "r == 's' || all()" }, namespaceSelector: "has(x)" },
    '(has(pcns.x) && projectcalico.org/serviceaccount in {"a"}) in any',
    '(has(pcns.x) && projectcalico.org/serviceaccount in {"a"}) in any',
  ],
  [
    { serviceAccounts: { names: [], selector: "r == 's'" }, selector: "has(a)" },
    `(has(a) && pcsa.r == "s" && ${inShop}) in shop`,
    '(has(a) && pcsa.r == "s") in any',
  ],
  [{ serviceAccounts: { names: [], selector: "" } }, undefined, undefined],
  [{ selector: `${inShop} && has(a)` }, `(has(a) && ${inShop}) in shop`, `(has(a) && ${inShop}) in shop`],
])("an entity with %j", ([given, ofNamespaced, ofGlobal]) => {
  const ingress = [rule({ source: entity(given) })];
  for (const [policy, expected] of [
    [compiled("calicoNetworkPolicy", namespaced({ ingress })), ofNamespaced],
    [compiled("globalNetworkPolicy", global({ ingress })), ofGlobal],
  ] as const) {
    const { source } = onlyIngress(policy);
    expect(source.sets?.map((id) => setText(policy, id))).toEqual(expected === undefined ? undefined : [expected]);
    expect(source.notSets).toBeUndefined();
    expect([...policy.sets.keys()]).toEqual(source.sets ?? []);
  }
});

test("what must not be selected is of any namespace; in a namespaced policy what is matched is in its own all the same", () => {
  const ingress = [rule({ source: entity({ notSelector: "has(a)" }) })];
  const ofNamespaced = compiled("calicoNetworkPolicy", namespaced({ ingress }));
  const ofGlobal = compiled("globalNetworkPolicy", global({ ingress }));
  for (const policy of [ofNamespaced, ofGlobal]) {
    expect(onlyIngress(policy).source.notSets?.map((id) => setText(policy, id))).toEqual(["has(a) in any"]);
  }
  const sets = onlyIngress(ofNamespaced).source.sets?.map((id) => setText(ofNamespaced, id));
  expect(sets).toEqual([`${inShop} in shop`]);
  expect(onlyIngress(ofGlobal).source.sets).toBeUndefined();
});

test("selectors of one meaning in one text are one set, on whichever side", () => {
  const sides = [entity({ selector: "a == 'b' && has(c)" }), entity({ selector: 'has(c) && (a == "b")' })] as const;
  const policy = compiled(
    "globalNetworkPolicy",
    global({ ingress: [rule({ source: sides[0], destination: sides[1] })] }),
  );
  expect(policy.sets.size).toBe(1);
});

test("ports by number", () => {
  const ports = [port(80), port(81), port(90, 100), port(95, 120)];
  const source = entity({ ports, notPorts: [port(5)] });
  const policy = compiled("globalNetworkPolicy", global({ ingress: [rule({ protocol: 6, source })] }));
  expect(onlyIngress(policy).source).toEqual({
    ports: { ranges: [port(80, 81), port(90, 120)], sets: [] },
    notPorts: { ranges: [port(5)], sets: [] },
  });
});

const named = [{ name: "http" }, { name: "http" }];

test("named ports are those of what its side selects, which then needs no other test", () => {
  const destination = entity({ selector: "has(a)", ports: named, notPorts: [{ name: "admin" }] });
  const policy = compiled("globalNetworkPolicy", global({ ingress: [rule({ protocol: 6, destination })] }));
  const match = onlyIngress(policy).destination;
  expect(match.sets).toBeUndefined();
  expect(match.ports?.sets.map((id) => setText(policy, id))).toEqual(["http/6 of has(a) in any"]);
  expect(match.notPorts?.sets.map((id) => setText(policy, id))).toEqual(["admin/6 of has(a) in any"]);
  const mixed = rule({ protocol: 6, destination: entity({ selector: "has(a)", ports: [...named, port(80)] }) });
  const other = compiled("globalNetworkPolicy", global({ ingress: [mixed] }));
  expect(onlyIngress(other).destination.sets?.map((id) => setText(other, id))).toEqual(["has(a) in any"]);
  const negative = rule({ protocol: 6, destination: entity({ selector: "has(a)", notPorts: named }) });
  const third = compiled("globalNetworkPolicy", global({ ingress: [negative] }));
  expect(onlyIngress(third).destination.sets?.map((id) => setText(third, id))).toEqual(["has(a) in any"]);
});

test("without a protocol named ports are of any; sets are told apart by name, protocol and selector", () => {
  const of = (protocol: number | undefined, name: string, selector: string) =>
    rule({ protocol, destination: entity({ selector, ports: [{ name }] }) });
  const ingress = [of(undefined, "a", ""), of(6, "a", ""), of(17, "a", ""), of(6, "b", ""), of(6, "a", "has(x)")];
  const policy = compiled("globalNetworkPolicy", global({ ingress }));
  expect([...policy.sets.keys()].map((id) => setText(policy, id))).toEqual([
    "a/any of all() in any",
    "a/6 of all() in any",
    "a/17 of all() in any",
    "b/6 of all() in any",
    "a/6 of has(x) in any",
  ]);
});

test("the endpoint's own side names ports of what the policy applies to, if that is workloads alone", () => {
  const byName = entity({ ports: [{ name: "a" }] });
  const rules = [rule({ source: byName, destination: byName })];
  const spec = { selector: "has(x)", ingress: rules, egress: rules };
  const texts = (policy: ReturnType<typeof compiled>) =>
    [...policy.plan.ingress, ...policy.plan.egress]
      .flatMap(({ source, destination }) => [source, destination])
      .map(({ ports }) => setText(policy, ports?.sets[0]));
  const [any, own] = ["a/any of all() in any", `a/any of (has(x) && ${inShop}) in shop`];
  expect(texts(compiled("calicoNetworkPolicy", namespaced(spec)))).toEqual([any, own, own, any]);
  expect(texts(compiled("globalNetworkPolicy", global(spec)))).toEqual([any, any, any, any]);
  const ofPods = "a/any of (has(projectcalico.org/namespace) && has(x)) in any";
  const workloads = global({ ...spec, namespaceSelector: "all()" });
  expect(texts(compiled("globalNetworkPolicy", workloads))).toEqual([any, ofPods, ofPods, any]);
});

test("services: a source by its addresses, a destination by its ports", () => {
  const ingress = [rule({ source: entity({ services: { name: "db", namespace: "" } }) })];
  const egress = [rule({ destination: entity({ services: { name: "db", namespace: "data" } }) })];
  const policy = compiled("calicoNetworkPolicy", namespaced({ ingress, egress }));
  const [source] = onlyIngress(policy).source.sets ?? [];
  expect([source, setText(policy, source)]).toEqual([
    expect.stringMatching(/^svcnoport:.{15}$/),
    "service-addresses shop/db",
  ]);
  const match = policy.plan.egress[0]?.destination;
  expect(match?.sets).toBeUndefined();
  const [ports] = match?.portSets ?? [];
  expect([ports, setText(policy, ports)]).toEqual([expect.stringMatching(/^svc:.{21}$/), "service-ports data/db"]);
});

// --- internal ---

function givenProtocol({ protocol }: Partial<PolicyRule>) {
  return protocol === undefined ? {} : { protocol };
}

function port(first: number, last = first) {
  return { first, last };
}
