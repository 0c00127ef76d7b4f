/** Few labels and few names, so that what selects and what is selected meet often. */
import fc from "fast-check";
import type { LabelRequirement, LabelSelector, Labels } from "../../src/api/objects.ts";
import { type Cidr, parseCidr } from "../../src/net/cidr.ts";
import type { IpVersion } from "../../src/net/ip.ts";

export const namespaceNames = ["ns-1", "ns-2"];

/** Mostly absent. */
export function seldom<T>(present: fc.Arbitrary<T>, freq = 4): fc.Arbitrary<T | undefined> {
  return fc.oneof({ weight: freq, arbitrary: fc.constant(undefined) }, present);
}

const labelValue = fc.constantFrom("a", "b");

/** Some bear labels that only others may give them. */
export const labels: fc.Arbitrary<Labels> = fc
  .record({
    app: seldom(labelValue, 1),
    "pcns.app": seldom(labelValue),
    "projectcalico.org/namespace": seldom(fc.constantFrom(...namespaceNames), 8),
    "pcsa.app": seldom(labelValue, 8),
  })
  .map(present);

/** Of network sets, which may not say whose namespace they are in. */
export const setLabels: fc.Arbitrary<Labels> = labels.map(({ "projectcalico.org/namespace": _, ...others }) => others);

export const namespaceLabels: fc.Arbitrary<Labels> = fc.record({ app: seldom(labelValue, 1) }).map(present);

/** Of host endpoints. */
export const hostLabels: fc.Arbitrary<Labels> = fc
  .record({ app: seldom(labelValue, 1), role: seldom(fc.constant("host"), 1), "pcns.app": seldom(labelValue, 8) })
  .map(present);

const everywhere = { weight: 3, arbitrary: fc.constantFrom("", "all()") };

/** Calico selectors over endpoint labels. */
export const endpointSelector: fc.Arbitrary<string> = fc.oneof(everywhere, {
  weight: 5,
  arbitrary: fc.constantFrom(
    "app == 'a'",
    "app == 'b'",
    "app != 'a'",
    "has(app)",
    "!has(app)",
    "app in {'a', 'c'}",
    "app not in {'a'}",
    "app starts with 'a' || role == 'host'",
    "app contains 'b' && !has(role)",
    "app ends with 'a'",
    "has(role)",
    "pcns.app == 'a'",
    "projectcalico.org/namespace == 'ns-1'",
    "projectcalico.org/orchestrator == 'k8s'",
  ),
});

/** Those that select something in particular. */
export const peerSelector = endpointSelector.filter((text) => text !== "");

export const namespaceSelector: fc.Arbitrary<string> = fc.constantFrom(
  "app == 'a'",
  "app != 'b'",
  "!has(app)",
  "all()",
  "projectcalico.org/name == 'ns-1'",
  "has(app) && app in {'a', 'b'}",
);

export const accountSelector: fc.Arbitrary<string> = fc.constantFrom(
  "app == 'a'",
  "!has(app)",
  "projectcalico.org/name == 'sa-1'",
);

const requirement: fc.Arbitrary<LabelRequirement> = fc.oneof(
  fc.record({
    key: fc.constant("app"),
    operator: fc.constantFrom("In" as const, "NotIn" as const),
    values: fc.uniqueArray(labelValue, { minLength: 1 }),
  }),
  fc.record({
    key: fc.constant("app"),
    operator: fc.constantFrom("Exists" as const, "DoesNotExist" as const),
    values: fc.constant<string[]>([]),
  }),
);

/** Kubernetes' label selectors; every second one selects everything. */
export const labelSelector: fc.Arbitrary<LabelSelector> = fc.oneof(
  fc.constant({ matchLabels: {}, matchExpressions: [] }),
  fc.record({
    matchLabels: fc.oneof(
      fc.constant<Labels>({}),
      labelValue.map((app): Labels => ({ app })),
    ),
    matchExpressions: fc.array(requirement, { maxLength: 1 }),
  }),
);

/** Networks in and around which addresses of the cluster lie, by family. */
export const networks: Readonly<Record<IpVersion, readonly Cidr[]>> = {
  4: [
    "0.0.0.0/0",
    "10.0.0.0/29",
    "10.0.0.0/30",
    "10.0.0.4/30",
    "10.0.0.2/32",
    "172.16.0.0/15",
    "172.16.0.1/32",
    "10.96.0.0/16",
    "203.0.113.0/24",
    "203.0.113.7/32",
  ].map(parseCidr),
  6: [
    "::/0",
    "fd00::/125",
    "fd00::/126",
    "fd00::2/128",
    "fd01::/63",
    "fd01::1/128",
    "fd96::/16",
    "2001:db8::/32",
    "2001:db8::7/128",
  ].map(parseCidr),
};

/** One family's networks, each once. */
export function networksOf(version: IpVersion, { all, max = 3 }: { readonly all: boolean; readonly max?: number }) {
  const some = all ? networks[version] : networks[version].slice(1);
  return fc.uniqueArray(fc.constantFrom(...some), { minLength: 1, maxLength: max });
}

// --- internal ---

function present(given: Readonly<Record<string, string | undefined>>): Labels {
  return Object.fromEntries(Object.entries(given).filter((one): one is [string, string] => one[1] !== undefined));
}
