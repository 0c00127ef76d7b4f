import { describe, expect, test } from "vitest";
import { InvalidObjectError } from "../../../../src/api/invalid-object-error.ts";
import { parseKubeNetworkPolicy } from "../../../../src/api/kubernetes/network-policy.ts";

const metadata = { namespace: "shop", name: "web" };
const revision = { uid: "u1", generation: 3 };
const parse = (spec: unknown) => parseKubeNetworkPolicy({ metadata: { ...metadata, ...revision }, spec });
const everything = { matchLabels: {}, matchExpressions: [] };

test("an empty spec selects every pod of the namespace for ingress and allows nothing", () => {
  expect(parse({})).toEqual({
    ...metadata,
    revision,
    podSelector: everything,
    types: ["Ingress"],
    ingress: [],
    egress: [],
  });
});

test.each([
  [{}, ["Ingress"]],
  [{ ingress: [{}] }, ["Ingress"]],
  [{ egress: [{}] }, ["Ingress", "Egress"]],
  [{ egress: [] }, ["Ingress"]],
  [{ policyTypes: [], egress: [{}] }, ["Ingress", "Egress"]],
  [{ policyTypes: ["Egress"], ingress: [{}] }, ["Egress"]],
  [{ policyTypes: ["Egress", "Ingress"] }, ["Egress", "Ingress"]],
])("the policy types of %j", (spec, types) => {
  expect(parse(spec).types).toEqual(types);
});

test.each([[{}], [{ from: [] }], [{ from: null, ports: null }], [{ ports: [] }]])(
  "an ingress rule %j allows every peer and port",
  (rule) => {
    expect(parse({ ingress: [rule] }).ingress).toEqual([{ peers: [], ports: [] }]);
  },
);

test("a peer by selectors keeps apart what is absent and what is empty", () => {
  const from = [
    { podSelector: { matchLabels: { app: "web" } } },
    { namespaceSelector: {} },
    { namespaceSelector: { matchExpressions: [{ key: "team", operator: "In", values: ["a"] }] }, podSelector: {} },
  ];
  const team = { key: "team", operator: "In", values: ["a"] };
  expect(parse({ ingress: [{ from }] }).ingress[0]?.peers).toStrictEqual([
    { kind: "pods", podSelector: { matchLabels: { app: "web" }, matchExpressions: [] } },
    { kind: "pods", namespaceSelector: everything },
    { kind: "pods", podSelector: everything, namespaceSelector: { matchLabels: {}, matchExpressions: [team] } },
  ]);
});

test("a peer by block is canonical, with its exceptions", () => {
  const to = [{ ipBlock: { cidr: "10.0.0.7/8", except: ["10.1.0.0/16"] } }, { ipBlock: { cidr: "2001:DB8::/32" } }];
  expect(parse({ egress: [{ to }] }).egress[0]?.peers).toEqual([
    { kind: "block", cidr: "10.0.0.0/8", except: ["10.1.0.0/16"] },
    { kind: "block", cidr: "2001:db8::/32", except: [] },
  ]);
});

test("a port is TCP unless it says otherwise", () => {
  const ports = [{}, { port: 80 }, { port: "dns", protocol: "UDP" }, { protocol: "SCTP", port: 1000, endPort: 2000 }];
  expect(parse({ ingress: [{ ports }] }).ingress[0]?.ports).toEqual([
    { protocol: "TCP", port: undefined, endPort: undefined },
    { protocol: "TCP", port: 80, endPort: undefined },
    { protocol: "UDP", port: "dns", endPort: undefined },
    { protocol: "SCTP", port: 1000, endPort: 2000 },
  ]);
});

describe("what is malformed is refused, with its path", () => {
  const rule = (one: unknown) => ({ ingress: [{}, one] });
  const peer = (one: unknown) => rule({ from: [one] });
  const port = (one: unknown) => rule({ ports: [one] });
  const requirement = (one: object) => ({ podSelector: { matchExpressions: [{ key: "a", ...one }] } });

  test.each([
    [undefined, "spec", "it must be a map of fields"],
    [{ ingress: {} }, "spec.ingress", "it must be a list"],
    [{ policyTypes: ["Both"] }, "spec.policyTypes[0]", "it must be one of"],
    [{ tier: "top" }, "spec", "it has fields that are not known here: tier"],
    [rule({ to: [] }), "spec.ingress[1]", "not known here: to"],
    [peer({}), "spec.ingress[1].from[0]", "it must have an ipBlock, or a podSelector"],
    [peer({ ipBlock: { cidr: "10.0.0.0/8" }, podSelector: {} }), "spec.ingress[1].from[0]", "and no mixture"],
    [peer({ accountSelector: {}, podSelector: {} }), "spec.ingress[1].from[0]", "not known here: accountSelector"],
    [peer({ ipBlock: { cidr: "10.0.0.0/33" } }), "spec.ingress[1].from[0].ipBlock.cidr", "it must be a network"],
    [
      peer({ ipBlock: { cidr: "10.0.0.0/8", except: ["x"] } }),
      "spec.ingress[1].from[0].ipBlock.except[0]",
      "a network",
    ],
    [port({ protocol: "ICMP" }), "spec.ingress[1].ports[0].protocol", "it must be one of"],
    [port({ port: 0 }), "spec.ingress[1].ports[0].port", "it must be 1 to 65535, or the name of a port"],
    [port({ port: "80" }), "spec.ingress[1].ports[0].port", "the name of a port"],
    [port({ port: "a--b" }), "spec.ingress[1].ports[0].port", "the name of a port"],
    [port({ port: "http", endPort: 90 }), "spec.ingress[1].ports[0].endPort", "it needs a numeric port"],
    [port({ port: 100, endPort: 90 }), "spec.ingress[1].ports[0].endPort", "it needs a numeric port"],
    [{ podSelector: { matchFields: [] } }, "spec.podSelector", "not known here: matchFields"],
    [
      requirement({ operator: "Exists", prefix: "x" }),
      "spec.podSelector.matchExpressions[0]",
      "not known here: prefix",
    ],
    [requirement({ operator: "Like" }), "spec.podSelector.matchExpressions[0].operator", "it must be one of"],
    [requirement({ operator: "In" }), "spec.podSelector.matchExpressions[0].values", "needs at least one value"],
    [
      requirement({ operator: "Exists", values: ["x"] }),
      "spec.podSelector.matchExpressions[0].values",
      "takes no values",
    ],
    [{ podSelector: { matchLabels: { a: 'b" || all()' } } }, "spec.podSelector.matchLabels.a", "it must not contain"],
    [{ podSelector: { matchLabels: { "a) || all(": "b" } } }, "spec.podSelector.matchLabels.a) || all(", "is no label"],
    [{ podSelector: { matchLabels: { ["__proto__"]: "b" } } }, "spec.podSelector.matchLabels.__proto__", "is no label"],
  ])("%j", (spec, path, sentence) => {
    let error: unknown;
    try {
      parse(spec);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(InvalidObjectError);
    const { problems, object } = error as InvalidObjectError;
    expect(object).toBe("shop/web");
    expect(problems).toContainEqual({ path, given: expect.any(String), reason: expect.stringContaining(sentence) });
  });
});

describe("a label selector may have 1000 requirements and 10,000 values", () => {
  const listing = (count: number) => ({ key: "a", operator: "In", values: Array<string>(count).fill("b") });
  const requirements = (count: number) => ({
    matchLabels: { b: "c" },
    matchExpressions: Array(count).fill(listing(1)),
  });
  const values = (count: number) => ({ matchExpressions: [listing(5000), listing(count - 5000)] });

  test.each([
    ["requirements", requirements(999), requirements(1000), "it has 1001 requirements, and may have 1000"],
    ["values", values(10_000), values(10_001), "it has 10001 values, and may have 10000"],
  ])("%s", (_, most, more, reason) => {
    const peers = (podSelector: object) => ({ podSelector, ingress: [{ from: [{ namespaceSelector: podSelector }] }] });
    expect(parse(peers(most)).podSelector.matchExpressions).toEqual(most.matchExpressions);
    const paths = ["spec.podSelector", "spec.ingress[0].from[0].namespaceSelector"];
    const problems = paths.map((path) => expect.objectContaining({ path, reason }));
    expect(() => parse(peers(more))).toThrow(expect.objectContaining({ problems }));
  });
});
