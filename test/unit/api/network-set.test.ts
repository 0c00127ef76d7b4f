import { describe, expect, test } from "vitest";
import { parseGlobalNetworkSet, parseNetworkSet } from "../../../src/api/network-set.ts";
import { restOfNetworkSet } from "../../../src/api/rest-of-network-set.ts";

const json = (spec: unknown, metadata: object = {}) => ({
  metadata: { name: "a", namespace: "shop", ...metadata },
  spec,
});
const forged = { labels: { role: "db", "projectcalico.org/namespace": "bank" } };

describe("a network set", () => {
  test("has its networks in canonical form, and its labels", () => {
    const nets = ["10.0.0.7/24", "10.0.0.1", "2001:DB8::/64"];
    const { metadata, spec } = parseNetworkSet(json({ nets }, { labels: { role: "db" } }));
    expect(metadata).toMatchObject({ namespace: "shop", labels: { role: "db" } });
    expect(spec).toEqual({ nets: ["10.0.0.0/24", "10.0.0.1/32", "2001:db8::/64"] });
  });

  test("may be empty", () => {
    expect(parseGlobalNetworkSet({ metadata: { name: "a" }, spec: {} }).spec).toEqual({ nets: [] });
  });

  test.each([parseNetworkSet, parseGlobalNetworkSet])("of either kind claims no namespace: %o", (parse) => {
    expect(() => parse(json({}, forged))).toThrow(
      /metadata\.labels is .*: a network set may not carry the label projectcalico.org\/namespace/,
    );
  });

  test("of the namespaced kind has a namespace", () => {
    expect(() => parseNetworkSet({ metadata: { name: "a" }, spec: {} })).toThrow("metadata.namespace is missing");
  });
});

describe("of a network set that cannot be read", () => {
  test("all networks remain that can be", () => {
    const bad = json({ nets: ["10.0.0.0/24", "nonsense", 7, "10.1.0.9/33", "2001:db8::1"] });
    expect(() => parseNetworkSet(bad)).toThrow("spec.nets[1]");
    expect(restOfNetworkSet(bad)?.spec.nets).toEqual(["10.0.0.0/24", "2001:db8::1/128"]);
  });

  test("the labels remain but for the one that it may not carry", () => {
    const rest = restOfNetworkSet(json({ nets: ["10.0.0.0/24"] }, forged));
    expect(rest).toMatchObject({ metadata: { name: "a", namespace: "shop" }, spec: { nets: ["10.0.0.0/24"] } });
    expect(rest?.metadata.labels).toEqual({ role: "db" });
  });

  test.each([json({ nets: "10.0.0.0/24" }), json(undefined), json({}, { labels: { a: 1 } }), null, 7, []])(
    "nothing remains when it has no list: %j",
    (bad) => {
      expect(restOfNetworkSet(bad)).toBeUndefined();
    },
  );
});
