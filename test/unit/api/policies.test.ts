import { describe, expect, test } from "vitest";
import { parseCalicoNetworkPolicy } from "../../../src/api/calico-network-policy.ts";
import { parseGlobalNetworkPolicy } from "../../../src/api/global-network-policy.ts";
import { InvalidObjectError } from "../../../src/api/invalid-object-error.ts";
import { parseStagedKubernetesNetworkPolicy } from "../../../src/api/staged-kubernetes-network-policy.ts";
import { parseStagedGlobalNetworkPolicy, parseStagedNetworkPolicy } from "../../../src/api/staged-network-policy.ts";
import { parseTier } from "../../../src/api/tier.ts";

const metadata = { namespace: "shop", name: "web", uid: "u", generation: 4 };
const np = (spec: unknown) => parseCalicoNetworkPolicy({ metadata, spec }).spec;
const gnp = (spec: unknown) => parseGlobalNetworkPolicy({ metadata: { name: "web" }, spec }).spec;
const ruleOf = (rule: object) => np({ ingress: [{ action: "Allow", ...rule }] }).ingress[0];
const sourceOf = (source: object) => ruleOf({ protocol: "TCP", source })?.source;

const everything = {
  nets: [],
  notNets: [],
  selector: "",
  notSelector: "",
  namespaceSelector: "",
  ports: [],
  notPorts: [],
};
const plain = {
  tier: "default",
  selector: "",
  serviceAccountSelector: "",
  types: ["Ingress"],
  ingress: [],
  egress: [],
};
const global = { namespaceSelector: "", doNotTrack: false, preDNAT: false, applyOnForward: false };

describe("a policy", () => {
  test("has every default filled in, and nothing besides", () => {
    expect(np({})).toStrictEqual(plain);
    expect(np({ tier: "", performanceHints: ["AssumeNeededOnEveryNode"] })).toStrictEqual(plain);
    expect(gnp({})).toStrictEqual({ ...plain, ...global });
    expect(np({ order: 0, selector: "all()" })).toStrictEqual({ ...plain, order: 0, selector: "all()" });
  });

  const rule = { action: "Pass" };
  test.each([
    [{}, ["Ingress"]],
    [{ types: [] }, ["Ingress"]],
    [{ ingress: [], egress: [] }, ["Ingress"]],
    [{ ingress: [rule] }, ["Ingress"]],
    [{ egress: [rule] }, ["Egress"]],
    [{ ingress: [], egress: [rule] }, ["Egress"]],
    [{ ingress: [rule], egress: [rule] }, ["Ingress", "Egress"]],
    [{ types: [], ingress: [rule], egress: [rule] }, ["Ingress", "Egress"]],
    [{ types: ["Egress"], ingress: [rule] }, ["Egress"]],
  ])("%j has the types %j", (spec, types) => {
    expect(np(spec).types).toEqual(types);
    expect(gnp(spec).types).toEqual(types);
  });

  test("keeps its metadata", () => {
    expect(parseCalicoNetworkPolicy({ metadata, spec: {} }).metadata).toMatchObject(metadata);
  });

  test("says where a selector stops making sense", () => {
    const spec = { egress: [{ action: "Deny" }, { action: "Deny", destination: { notSelector: "a == 'b' &&" } }] };
    expect(() => np(spec)).toThrow(
      /^Cannot read NetworkPolicy shop\/web: spec\.egress\[1\]\.destination\.notSelector is .*: at its end, a label/,
    );
    for (const bad of [{ selector: "a = 'b'" }, { serviceAccountSelector: "a = 'b'" }]) {
      expect(() => np(bad)).toThrow("at character 3");
    }
    expect(() => gnp({ namespaceSelector: "a = 'b'" })).toThrow("at character 3");
    expect(() => sourceOf({ serviceAccounts: { selector: "a = 'b'" } })).toThrow("at character 3");
  });

  test.each([
    [{ orders: 1 }, "spec is "],
    [{ ingress: [{ action: "Allow", sources: {} }] }, "spec.ingress[0] is "],
    [{ ingress: [{ action: "Allow", source: { net: [] } }] }, "spec.ingress[0].source is "],
    [{ ingress: [{ action: "Allow", source: { serviceAccounts: { name: "a" } } }] }, "serviceAccounts is "],
    [{ ingress: [{ action: "Allow", source: { services: { name: "a", port: 1 } } }] }, "services is "],
    [{ ingress: [{ action: "Allow", protocol: "ICMP", icmp: { kind: 1 } }] }, "icmp is "],
    [{ ingress: [{ action: "Allow", http: { hosts: ["a"] } }] }, "http is "],
    [{ ingress: [{ action: "Allow", http: { paths: [{ regex: "a" }] } }] }, "paths[0] is "],
    [{ namespaceSelector: "all()" }, "spec is "],
  ])("with a field that is not known is refused: %j", (spec, where) => {
    expect(() => np(spec)).toThrow(where);
    expect(() => np(spec)).toThrow("it has fields that are not known here");
  });
});

describe("a rule", () => {
  test("of an action alone holds for everything", () => {
    expect(ruleOf({})).toStrictEqual({ action: "Allow", source: everything, destination: everything });
    const empty = {
      icmp: {},
      notICMP: {},
      protocol: "ICMP",
      source: {},
      destination: { serviceAccounts: {}, nets: [] },
    };
    const { protocol, ...rest } = ruleOf(empty) ?? {};
    expect(protocol).toBe(1);
    expect(rest).toStrictEqual({ action: "Allow", source: everything, destination: everything });
  });

  test.each([
    ["TCP", 6],
    ["UDP", 17],
    ["SCTP", 132],
    ["ICMP", 1],
    ["ICMPv6", 58],
    ["UDPLite", 136],
    [47, 47],
    ["255", 255],
  ])("of protocol %j has number %d", (name, number) => {
    expect(ruleOf({ protocol: name, notProtocol: name })).toMatchObject({ protocol: number, notProtocol: number });
  });

  test("keeps what it asks of ICMP, HTTP and people", () => {
    const rule = { protocol: "ICMP", ipVersion: 4, icmp: { type: 0 }, notICMP: { type: 3, code: 0 } };
    expect(ruleOf(rule)).toMatchObject({ ...rule, protocol: 1 });
    const http = { methods: ["GET"], paths: [{ exact: "/a" }, { prefix: "/" }] };
    expect(ruleOf({ http })?.http).toStrictEqual(http);
    // An empty one is one all the same: without it the rule would allow what is no HTTP.
    expect(ruleOf({ http: {} })?.http).toStrictEqual({ methods: [], paths: [] });
    expect(ruleOf({ metadata: { annotations: { a: "b" } } })?.metadata).toEqual({ annotations: { a: "b" } });
    expect(() => ruleOf({ metadata: { annotations: { a: "x".repeat(262144) } } })).toThrow("at most 262144 characters");
  });

  test("has ports as ranges and names", () => {
    expect(
      sourceOf({ ports: [80, "443", "8000:8099", "7:7", "http", "0x", "a.b_C-1"], notPorts: ["1:65535"] }),
    ).toEqual({
      ...everything,
      ports: [
        { first: 80, last: 80 },
        { first: 443, last: 443 },
        { first: 8000, last: 8099 },
        { first: 7, last: 7 },
        { name: "http" },
        { name: "0x" },
        { name: "a.b_C-1" },
      ],
      notPorts: [{ first: 1, last: 65535 }],
    });
    // More than the API server can be asked for.
    expect(sourceOf({ ports: ["9:80"] })?.ports).toEqual([{ first: 9, last: 80 }]);
    for (const range of ["90:80", "100:20"]) {
      expect(() => sourceOf({ ports: [range] })).toThrow("the range must not end before it begins");
    }
    for (const ports of [["80"], ["80:90"]]) {
      expect(() => ruleOf({ destination: { ports } })).toThrow("ports need the protocol TCP, UDP or SCTP");
    }
  });

  test("has networks in canonical form", () => {
    const nets = ["10.0.0.7/8", "10.1.2.3"];
    expect(sourceOf({ nets, notNets: nets })).toMatchObject({
      nets: ["10.0.0.0/8", "10.1.2.3/32"],
      notNets: ["10.0.0.0/8", "10.1.2.3/32"],
    });
    expect(sourceOf({ nets: ["2001:DB8:0::1/32"] })).toMatchObject({ nets: ["2001:db8::/32"] });
    expect(() => sourceOf({ notNets: ["10.1.2.3/0"] })).toThrow("it cannot be 0.0.0.0/0");
    expect(() => sourceOf({ nets: ["1:2::3::4"] })).toThrow("it must be a network");
    expect(() => sourceOf({ notNets: ["10.0.0.0/8", "::1"] })).toThrow("of one family");
  });

  test("names service accounts and Services", () => {
    expect(sourceOf({ serviceAccounts: { names: ["a"] } })?.serviceAccounts).toEqual({ names: ["a"], selector: "" });
    expect(sourceOf({ serviceAccounts: { selector: "b" + " == 'c'" } })?.serviceAccounts).toEqual({
      names: [],
      selector: "b == 'c'",
    });
    expect(sourceOf({ services: { name: "db" } })?.services).toEqual({ name: "db", namespace: "" });
  });
});

describe("a staged policy", () => {
  test("is set unless it says otherwise", () => {
    const staged = { stagedAction: "Set", ...plain };
    expect(parseStagedNetworkPolicy({ metadata, spec: {} }).spec).toStrictEqual(staged);
    const inNone = { metadata: { name: "web" }, spec: { stagedAction: "Delete", tier: "top" } };
    const deleted = { ...staged, ...global, stagedAction: "Delete", tier: "top" };
    expect(parseStagedGlobalNetworkPolicy(inNone).spec).toStrictEqual(deleted);
  });

  test("of Kubernetes is a NetworkPolicy with an action", () => {
    const spec = { stagedAction: "Learn", podSelector: { matchLabels: { a: "b" } }, egress: [{}] };
    expect(parseStagedKubernetesNetworkPolicy({ metadata, spec })).toEqual({
      namespace: "shop",
      name: "web",
      revision: { uid: "u", generation: 4 },
      stagedAction: "Learn",
      podSelector: { matchLabels: { a: "b" }, matchExpressions: [] },
      types: ["Ingress", "Egress"],
      ingress: [],
      egress: [{ peers: [], ports: [] }],
    });
    const bad = { ingress: [{ from: [{}] }] };
    expect(() => parseStagedKubernetesNetworkPolicy({ metadata, spec: bad })).toThrow(InvalidObjectError);
  });
});

test("a tier denies at its end unless it says otherwise", () => {
  expect(parseTier({ metadata: { name: "top" }, spec: {} }).spec).toStrictEqual({ defaultAction: "Deny" });
  const spec = { order: 7.5, defaultAction: "Pass" };
  expect(parseTier({ metadata: { name: "top" }, spec }).spec).toStrictEqual(spec);
});
