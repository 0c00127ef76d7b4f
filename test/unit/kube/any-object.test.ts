import fc from "fast-check";
import { expect, test } from "vitest";
import { customKinds } from "../../../src/api/custom-kinds.ts";
import { InvalidObjectError } from "../../../src/api/invalid-object-error.ts";
import { type FedKind, feeds } from "../../../src/kube/fed-kinds.ts";
import type { KubeObject } from "../../../src/kube/object-revisions.ts";

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

const metadata = { namespace: "shop", name: "a", uid: "u", generation: 1, labels: { a: "b" }, annotations: { c: "d" } };
const port = { name: "http", containerPort: 80, port: 80, protocol: "TCP" };
const podSelector = { matchLabels: { a: "b" }, matchExpressions: [{ key: "c", operator: "In", values: ["d"] }] };

/** Well-formed objects of the kinds that are not our own, without what all have. */
const others: Readonly<Record<string, { readonly [key: string]: Json }>> = {
  Pod: {
    spec: { nodeName: "n", hostNetwork: false, containers: [{ ports: [port] }], initContainers: [{ ports: [port] }] },
    status: { phase: "Running", podIP: "10.0.0.1", podIPs: [{ ip: "10.0.0.1" }] },
  },
  Namespace: {},
  Node: { spec: { podCIDRs: ["10.0.0.0/24"] }, status: { addresses: [{ type: "InternalIP", address: "192.0.2.1" }] } },
  ServiceAccount: {},
  EndpointSlice: {
    ...{ addressType: "IPv4", ports: [port] },
    endpoints: [{ addresses: ["10.0.0.1"], conditions: { ready: true }, nodeName: "n" }],
  },
  Service: {
    spec: { type: "LoadBalancer", clusterIPs: ["10.0.0.1"], ipFamilies: ["IPv4"], ports: [port] },
    status: { loadBalancer: { ingress: [{ ip: "192.0.2.1" }] } },
  },
  NetworkPolicy: {
    spec: {
      ...{ podSelector, policyTypes: ["Ingress"] },
      ingress: [{ from: [{ podSelector }, { ipBlock: { cidr: "10.0.0.0/8", except: [] } }], ports: [{ port: 80 }] }],
    },
  },
  Lease: { spec: { holderIdentity: "a", renewTime: "2026-01-02T03:04:05.000000Z" } },
};

test.each(Object.keys(feeds) as FedKind[])("whatever stands in a %s, it is read or refused with a reason", (kind) => {
  const feed = feeds[kind];
  const good = wellFormed(kind);
  expect(() => feed.parse(good), "the example is well-formed").not.toThrow();
  let refused = 0;
  const attempt = (json: unknown) => {
    try {
      feed.parse(json);
    } catch (error) {
      expect(error).toBeInstanceOf(InvalidObjectError);
      refused++;
      // What follows objects gives each a name.
      if (nameOf(json) !== undefined) feed.unreadable(json as KubeObject, "why");
    }
  };
  fc.assert(fc.property(spoilt(good), attempt), { numRuns: 300 });
  fc.assert(fc.property(fc.anything(), attempt), { numRuns: 50 });
  expect(refused).toBeGreaterThan(50);
});

// --- internal ---

function wellFormed(kind: FedKind): Json {
  const { resource } = feeds[kind];
  const custom = customKinds.find((one) => one.kind === resource.kind && one.plural === resource.plural);
  const ours = custom !== undefined && resource.group !== "networking.k8s.io";
  const name = kind === "tier" ? "security" : metadata.name;
  const rest = ours ? { spec: custom.example as Json } : (others[resource.kind] ?? {});
  return { metadata: { ...metadata, name }, ...rest };
}

function nameOf(json: unknown): string | undefined {
  const { metadata } = Object(json) as { readonly metadata?: unknown };
  const { name } = Object(metadata) as { readonly name?: unknown };
  return typeof name === "string" ? name : undefined;
}

/** Values that some check somewhere may not expect. */
const strange = fc.oneof(
  fc.anything(),
  fc.jsonValue(),
  fc.constantFrom(
    "",
    "*",
    "all()",
    "10.0.0.0/33",
    "::/0",
    "0",
    "-1",
    "1.5",
    "80:70",
    '"',
    "__proto__",
    "a".repeat(2000),
  ),
  fc.constantFrom<unknown>(null, undefined, -1, 0, 1.5, 2 ** 53, Number.NaN, [], {}, [null], { constructor: 1 }, 1n),
);

/** `good` with up to three of its values, at any depth, replaced, left out or put beside something that does not belong. */
function spoilt(good: Json): fc.Arbitrary<unknown> {
  const places = placesOf(good);
  const change = fc.record({ place: fc.constantFrom(...places), value: strange, beside: fc.boolean() });
  return fc.array(change, { minLength: 1, maxLength: 3 }).map((changes) => {
    const json = structuredClone(good) as unknown;
    // Each a value of its own: one that stands in itself is no JSON.
    for (const one of changes) spoil(json, { ...one, value: structuredClone(one.value) });
    return json;
  });
}

type Place = readonly [string, ...string[]];

function placesOf(json: Json, before: readonly string[] = []): readonly Place[] {
  if (typeof json !== "object" || json === null) return [];
  return Object.entries(json).flatMap(([key, value]): readonly Place[] => {
    const place = [...before, key] as unknown as Place;
    return [place, ...placesOf(value, place)];
  });
}

function spoil(json: unknown, { place, value, beside }: { place: Place; value: unknown; beside: boolean }): void {
  const last = place.at(-1) ?? "";
  let at = json;
  for (const key of place.slice(0, -1)) {
    if (typeof at !== "object" || at === null) return;
    at = (at as Record<string, unknown>)[key];
  }
  if (typeof at !== "object" || at === null || Object.isFrozen(at)) return;
  const fields = at as Record<string, unknown>;
  if (beside) fields[`${last}x`] = value;
  else if (value === undefined) delete fields[last];
  else fields[last] = value;
}
