import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseCalicoNetworkPolicy } from "../../../src/api/calico-network-policy.ts";
import { parseGlobalNetworkPolicy } from "../../../src/api/global-network-policy.ts";
import { InvalidObjectError } from "../../../src/api/invalid-object-error.ts";
import { parseClusterNetworkPolicy } from "../../../src/api/kubernetes/cluster-network-policy.ts";
import { parseKubeNetworkPolicy } from "../../../src/api/kubernetes/network-policy.ts";
import { rejectedPolicy, rejectedScope } from "../../../src/api/rejected-scope.ts";
import { formatSelector } from "../../../src/api/selector/format-selector.ts";
import type { PolicyKind } from "../../../src/api/snapshot.ts";
import { parseStagedKubernetesNetworkPolicy } from "../../../src/api/staged-kubernetes-network-policy.ts";
import { parseStagedGlobalNetworkPolicy, parseStagedNetworkPolicy } from "../../../src/api/staged-network-policy.ts";
import { parseTier } from "../../../src/api/tier.ts";
import { appliesToAll, globalAppliesTo, namespacedAppliesTo } from "../../../src/felix/calc/compile/applies-to.ts";
import { badSpecs, goodSpecs } from "./specs.ts";

const parsers: Readonly<Record<PolicyKind | "tier", (json: unknown) => unknown>> = {
  networkPolicy: parseKubeNetworkPolicy,
  clusterNetworkPolicy: parseClusterNetworkPolicy,
  calicoNetworkPolicy: parseCalicoNetworkPolicy,
  globalNetworkPolicy: parseGlobalNetworkPolicy,
  stagedNetworkPolicy: parseStagedNetworkPolicy,
  stagedGlobalNetworkPolicy: parseStagedGlobalNetworkPolicy,
  stagedKubernetesNetworkPolicy: parseStagedKubernetesNetworkPolicy,
  tier: parseTier,
};
const policyKinds = Object.keys(parsers).filter((kind) => kind !== "tier") as PolicyKind[];

/** The scope, its selector as text. */
function scopeOf(kind: PolicyKind, spec: unknown) {
  const { selector, ...scope } = rejectedScope(kind, { spec });
  return { ...scope, ...(selector && { selector: formatSelector(selector) }) };
}

describe("of an object that cannot be read", () => {
  test("name, revision and reason are kept", () => {
    const metadata = { namespace: "shop", name: "web", uid: "u", generation: 3 };
    expect(rejectedPolicy("calicoNetworkPolicy", { metadata, spec: { order: 5, x: 1 } }, "it is bad")).toEqual({
      rejected: "it is bad",
      namespace: "shop",
      name: "web",
      revision: { uid: "u", generation: 3 },
      scope: { order: 5 },
    });
    const nothing = { rejected: "", namespace: "", name: "", revision: { uid: "", generation: 0 }, scope: {} };
    for (const json of [null, 3, "x", [], {}, { metadata: { generation: 1.5 } }]) {
      expect(rejectedPolicy("globalNetworkPolicy", json, "")).toEqual(nothing);
    }
  });

  test.each<[PolicyKind, unknown, object]>([
    ["calicoNetworkPolicy", {}, {}],
    [
      "calicoNetworkPolicy",
      { tier: "top", order: -1.5, selector: "a == 'b'" },
      { tier: "top", order: -1.5, selector: 'a == "b"' },
    ],
    ["calicoNetworkPolicy", { tier: "Top", order: "1", selector: "a = 'b'" }, {}],
    ["calicoNetworkPolicy", { tier: "", order: Number.POSITIVE_INFINITY, selector: "" }, {}],
    ["calicoNetworkPolicy", { selector: "global()" }, {}],
    [
      "calicoNetworkPolicy",
      { selector: "has(a)", serviceAccountSelector: "has(b)" },
      { selector: "(has(a) && has(pcsa.b))" },
    ],
    ["calicoNetworkPolicy", { selector: "has(a)", serviceAccountSelector: "has(" }, {}],
    ["calicoNetworkPolicy", { selector: "has(a)", namespaceSelector: "has(b)" }, {}],
    ["stagedNetworkPolicy", { selector: "has(a)" }, { selector: "has(a)" }],
    ["globalNetworkPolicy", { selector: "has(a)" }, { selector: "has(a)" }],
    ["globalNetworkPolicy", { namespaceSelector: "has(b)" }, { selector: "has(pcns.b)" }],
    ["globalNetworkPolicy", { selector: "has(a)", namespaceSelector: 3 }, {}],
    ["globalNetworkPolicy", { selector: 3, namespaceSelector: "has(b)" }, {}],
    ["stagedGlobalNetworkPolicy", { tier: "top", namespaceSelector: "has(b" }, { tier: "top" }],
    ["networkPolicy", { podSelector: { matchLabels: { a: "b" } }, tier: "top", order: 1 }, { selector: 'a == "b"' }],
    ["networkPolicy", { podSelector: {} }, { selector: "all()" }],
    ["networkPolicy", { podSelector: { matchLabels: { a: 1 } } }, {}],
    ["networkPolicy", { podSelector: { matchFields: [] } }, {}],
    ["networkPolicy", { podSelector: null }, {}],
    ["stagedKubernetesNetworkPolicy", { podSelector: { matchLabels: { a: "b" } } }, { selector: 'a == "b"' }],
    ["clusterNetworkPolicy", { tier: "Admin", priority: 0 }, { tier: "kube-admin", order: 0 }],
    ["clusterNetworkPolicy", { tier: "Baseline", priority: 1001 }, { tier: "kube-baseline" }],
    ["clusterNetworkPolicy", { tier: "admin", priority: 1.5 }, {}],
    ["clusterNetworkPolicy", { subject: { namespaces: { matchLabels: { a: "b" } } } }, { selector: 'pcns.a == "b"' }],
    [
      "clusterNetworkPolicy",
      {
        subject: { pods: { podSelector: { matchLabels: { c: "d" } }, namespaceSelector: { matchLabels: { a: "b" } } } },
      },
      { selector: '(c == "d" && pcns.a == "b")' },
    ],
    [
      "clusterNetworkPolicy",
      { subject: { pods: { podSelector: { matchLabels: { c: "d" } } } } },
      { selector: 'c == "d"' },
    ],
    ["clusterNetworkPolicy", { subject: { pods: { namespaceSelector: {} } } }, {}],
    ["clusterNetworkPolicy", { subject: { pods: { podSelector: {} }, namespaces: {} } }, {}],
    ["clusterNetworkPolicy", { subject: {} }, {}],
    ["clusterNetworkPolicy", { subject: { pods: { podSelector: {} }, nodes: {} } }, {}],
    ["clusterNetworkPolicy", { subject: { pods: { podSelector: {}, nodeSelector: {} } } }, {}],
  ])("the scope of %s %j is %j", (kind, spec, scope) => {
    expect(scopeOf(kind, spec)).toEqual(scope);
  });
});

const selectors = fc.constantFrom("", "all()", "!all()", "has(a)", "a == 'b' || !all()", "has(c) && all()");

test("the scope of a policy that could be read is what it applies to", () => {
  const check = (selector: string, serviceAccountSelector: string, namespaceSelector: string) => {
    const spec = { selector, serviceAccountSelector };
    const inNamespace = parseCalicoNetworkPolicy({ metadata: { namespace: "n", name: "a" }, spec });
    const scope = rejectedScope("calicoNetworkPolicy", { spec }).selector;
    const own = { kind: "==", label: "projectcalico.org/namespace", value: "n" } as const;
    expect(appliesToAll([scope, own]).text).toBe(namespacedAppliesTo(inNamespace.spec, "n").text);
    const inNone = parseGlobalNetworkPolicy({ metadata: { name: "a" }, spec: { ...spec, namespaceSelector } });
    const globalScope = rejectedScope("globalNetworkPolicy", { spec: { ...spec, namespaceSelector } }).selector;
    expect(appliesToAll([globalScope]).text).toBe(globalAppliesTo(inNone.spec).text);
  };
  fc.assert(fc.property(selectors, selectors, selectors, check));
});

/** What a field may hold in an object that somebody, or something, has spoilt. */
const hostile = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.constantFrom<unknown>(null, 0, -1, 1e308, "", "all()", "0:1", "10.0.0.0/8", [], {}, [null]),
  },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 3 }) },
);

/** `json` with the value at one place in it replaced. */
function spoilt(json: unknown, choose: readonly number[], value: unknown): unknown {
  const [choice, ...rest] = choose;
  if (choice === undefined || typeof json !== "object" || json === null) return value;
  const keys = Object.keys(json);
  const key = keys[choice % (keys.length + 1)];
  if (key === undefined) return rest.length % 2 === 0 ? value : { ...json, [`x${choice}`]: value };
  const inner = spoilt((json as Record<string, unknown>)[key], rest, value);
  return Array.isArray(json) ? json.with(Number(key), inner) : { ...json, [key]: inner };
}

const known = [...goodSpecs, ...badSpecs].filter(({ kind }) => kind.endsWith("Policy") || kind === "Tier");
const objects = fc
  .tuple(fc.constantFrom(...known), fc.array(fc.nat(12), { maxLength: 7 }), hostile)
  .map(([{ spec }, places, value]) => spoilt({ metadata: { name: "a", namespace: "b" }, spec }, places, value));

test("no JSON makes a parser throw anything but InvalidObjectError, nor the reading of what is left throw at all", () => {
  let refused = 0;
  const check = (json: unknown) => {
    for (const [, parse] of Object.entries(parsers)) {
      try {
        parse(json);
      } catch (error) {
        expect(error).toBeInstanceOf(InvalidObjectError);
        refused++;
      }
    }
    for (const kind of policyKinds) expect(typeof rejectedPolicy(kind, json, "bad").name).toBe("string");
  };
  fc.assert(fc.property(fc.oneof(objects, hostile), check), { numRuns: 2000 });
  expect(refused).toBeGreaterThan(2000);
}, 60_000);
