import { expect, test } from "vitest";
import { customGroup, customKinds } from "../../../src/api/custom-kinds.ts";
import { apiVersionOf, kindCalled, kindOfObject, kinds, resourcePath } from "../../../src/api/kinds.ts";

function called(name: string) {
  const kind = kindCalled(name);
  if (kind === undefined) throw new Error(`no kind is called ${name}`);
  return kind;
}

test("a kind answers to its kind, plural, singular, short names and calicoctl's aliases, in any case", () => {
  for (const name of ["IPPool", "ippools", "ippool", "ipp", "pool", "POOLS"]) expect(called(name).kind).toBe("IPPool");
  for (const name of ["bgpconfig", "bgpconfigs"]) expect(called(name).kind).toBe("BGPConfiguration");
  for (const name of ["bgpf", "bfs"]) expect(called(name).kind).toBe("BGPFilter");
  for (const name of ["nodestatus", "nodestatuses"]) expect(called(name).kind).toBe("CalicoNodeStatus");
  for (const name of ["bp", "bgpps", "bgpPeer"]) expect(called(name).kind).toBe("BGPPeer");
  for (const name of ["po", "ns", "no", "netpol"]) expect(called(name).group).not.toBe("projectcalico.org");
  expect(kindCalled("gadget")).toBeUndefined();
});

test("every kind that we bring is among them", () => {
  const brought = (group: string) => group === customGroup || group === "policy.networking.k8s.io";
  expect(kinds.filter(({ group }) => brought(group)).map(({ kind }) => kind)).toEqual(
    customKinds.map(({ kind }) => kind),
  );
});

test("no name stands for two kinds", () => {
  const names = kinds.flatMap(({ kind, plural, singular, shortNames }) => [
    ...new Set([kind.toLowerCase(), plural, singular, ...shortNames]),
  ]);
  // The two NetworkPolicies share theirs, as they do in Kubernetes, and upstream has given one short name twice.
  const shared = new Set(names.filter((name, index) => names.indexOf(name) !== index));
  expect(shared).toEqual(new Set(["networkpolicy", "networkpolicies", "cnp"]));
  expect(called("networkpolicy").group).toBe(customGroup);
  expect(called("networkpolicies.networking.k8s.io").group).toBe("networking.k8s.io");
  expect(called("networkpolicies.projectcalico.org").group).toBe(customGroup);
});

test("an object's kind is found by apiVersion and kind together", () => {
  expect(kindOfObject("networking.k8s.io/v1", "NetworkPolicy")?.plural).toBe("networkpolicies");
  expect(kindOfObject("projectcalico.org/v3", "NetworkPolicy")?.group).toBe(customGroup);
  expect(kindOfObject("v1", "NetworkPolicy")).toBeUndefined();
  expect(kindOfObject("v1", "Pod")?.namespaced).toBe(true);
  expect(kinds.every((kind) => kindOfObject(apiVersionOf(kind), kind.kind) === kind)).toBe(true);
});

test.each([
  ["ippool", {}, "/apis/projectcalico.org/v3/ippools"],
  ["ippool", { name: "a", namespace: "shop" }, "/apis/projectcalico.org/v3/ippools/a"],
  ["pod", {}, "/api/v1/pods"],
  ["pod", { namespace: "shop" }, "/api/v1/namespaces/shop/pods"],
  ["pod", { namespace: "shop", name: "web-0" }, "/api/v1/namespaces/shop/pods/web-0"],
  ["ns", { name: "shop" }, "/api/v1/namespaces/shop"],
  ["netpol", { namespace: "s", name: "n" }, "/apis/networking.k8s.io/v1/namespaces/s/networkpolicies/n"],
  ["node", { name: "../pods?x" }, "/api/v1/nodes/..%2Fpods%3Fx"],
])("the path of %s %o", (name, target, path) => {
  expect(resourcePath(called(name), target)).toBe(path);
});

test("a namespaced object has no path without its namespace", () => {
  expect(() => resourcePath(called("pod"), { name: "web-0" })).toThrow(
    "Cannot address Pod web-0: it needs a namespace",
  );
});
