import { describe, expect, test } from "vitest";
import { parseClusterNetworkPolicy } from "../../../../src/api/kubernetes/cluster-network-policy.ts";

const everything = { matchLabels: {}, matchExpressions: [] };
const namespaces = { matchLabels: { tenant: "a" } };
const tenant = { kind: "pods", namespaceSelector: { ...everything, ...namespaces }, podSelector: undefined };
const metadata = { name: "base", uid: "u1", generation: 4 };
const parse = (spec: object) =>
  parseClusterNetworkPolicy({ metadata, spec: { tier: "Admin", priority: 7, subject: { namespaces: {} }, ...spec } });
const rule = (more: object) => ({ action: "Deny", from: [{ namespaces }], ...more });

test("a policy has its tier, priority, subject and state", () => {
  expect(parse({ tier: "Baseline", subject: { namespaces } })).toEqual({
    ...{ name: "base", revision: { uid: "u1", generation: 4 }, tier: "Baseline", priority: 7, subject: tenant },
    ...{ ingress: [], egress: [], problems: [] },
  });
});

test.each([
  [{ podSelector: {} }, { namespaceSelector: everything, podSelector: everything }],
  [
    { namespaceSelector: {}, podSelector: {} },
    { namespaceSelector: everything, podSelector: everything },
  ],
  [
    { namespaceSelector: namespaces, podSelector: { matchLabels: { app: "web" } } },
    { namespaceSelector: tenant.namespaceSelector, podSelector: { ...everything, matchLabels: { app: "web" } } },
  ],
])("a subject of pods %j", (pods, expected) => {
  expect(parse({ subject: { pods } }).subject).toEqual({ kind: "pods", ...expected });
});

test("rules have their name, action, peers and ports", () => {
  const protocols = [
    { tcp: { destinationPort: { number: 80 } } },
    { udp: { destinationPort: { range: { start: 100, end: 200 } } } },
    { sctp: { destinationPort: { number: 7 } } },
    { destinationNamedPort: "http" },
  ];
  const pods = { namespaceSelector: namespaces, podSelector: {} };
  const policy = parse({
    ingress: [rule({ name: "in", action: "Pass", from: [{ namespaces }, { pods }], protocols })],
    egress: [{ action: "Accept", to: [{ networks: ["10.0.0.7/8", "2001:DB8::/32"] }, { namespaces }] }],
  });
  expect(policy.problems).toEqual([]);
  expect(policy.ingress).toEqual([
    {
      ...{ name: "in", action: "Pass", peers: [tenant, { ...tenant, podSelector: everything }] },
      ports: [
        { protocol: 6, range: { first: 80, last: 80 } },
        { protocol: 17, range: { first: 100, last: 200 } },
        { protocol: 132, range: { first: 7, last: 7 } },
        { name: "http" },
      ],
    },
  ]);
  const networks = { kind: "networks", cidrs: ["10.0.0.0/8", "2001:db8::/32"] };
  expect(policy.egress).toEqual([{ name: "", action: "Accept", peers: [networks, tenant], ports: [] }]);
});

describe("a rule that cannot be read", () => {
  const malformed: readonly (readonly [change: object, path: string])[] = [
    [{ from: undefined }, ".from is missing"],
    [{ from: [] }, ".from is []"],
    [{ from: [{ namespaces }, {}] }, ".from[1] is {}: it must have exactly one of namespaces, pods"],
    [{ from: [{ nodes: {} }] }, '.from[0] is {"nodes":{}}: it has fields that are not known here: nodes'],
    [{ from: [{ namespaces, pods: { podSelector: {} } }] }, ".from[0] is "],
    [{ from: [{ networks: ["10.0.0.0/8"] }] }, ".from[0] is "],
    [{ from: [{ namespaces: { matchLabels: { "a) || all(": "b" } } }] }, ".from[0].namespaces.matchLabels"],
    [{ to: [] }, ' is {"action":'],
    [{ protocols: [{}] }, ".protocols[0] is {}: it must have exactly one of tcp, udp, sctp, destinationNamedPort"],
    [{ protocols: [{ tcp: {} }] }, ".protocols[0].tcp is {}: it must have a destinationPort"],
    [{ protocols: [{ icmp: {} }] }, ".protocols[0] is "],
    [
      { protocols: [{ tcp: { destinationPort: {} } }] },
      ".protocols[0].tcp.destinationPort is {}: it must have exactly one",
    ],
    [{ protocols: [{ tcp: { destinationPort: { number: 0 } } }] }, ".protocols[0].tcp.destinationPort.number is 0"],
    [
      { protocols: [{ destinationNamedPort: "" }] },
      '.protocols[0].destinationNamedPort is "": it must be the name of a port',
    ],
    [{ name: 7 }, ".name is 7"],
  ];

  test.each(malformed)("denies everything in its place: %j", (change, path) => {
    const ingress = [rule({ name: "first" }), rule({ name: "bad", ...change }), rule({ name: "last", action: "Pass" })];
    const policy = parse({ ingress });
    const bad = { name: "name" in change ? "" : "bad", action: "Deny", peers: [], ports: [] };
    expect(policy.ingress).toMatchObject([{ name: "first" }, bad, { name: "last", action: "Pass" }]);
    expect(policy.ingress[1]).toEqual(bad);
    expect(policy.problems).toEqual([expect.stringContaining(`spec.ingress[1]${path}`)]);
    expect(policy.problems[0]).toMatch(/; until then the rule denies everything$/);
  });

  test.each(malformed)("denies everything also where it would have passed: %j", (change) => {
    expect(parse({ ingress: [rule({ action: "Pass", ...change })] }).ingress[0]).toMatchObject({
      action: "Deny",
      peers: [],
    });
  });

  test.each(malformed)("accepts nothing, and keeps its place: %j", (change) => {
    const policy = parse({ ingress: [rule({ action: "Accept", ...change }), rule({ name: "last" })] });
    const bad = { name: "", action: "Accept", peers: [{ kind: "networks", cidrs: [] }], ports: [] };
    expect(policy.ingress).toEqual([bad, expect.objectContaining({ name: "last", action: "Deny" })]);
    expect(policy.problems).toEqual([expect.stringMatching(/; until then the rule accepts nothing$/)]);
  });

  test.each([[{ action: "Allow" }], [{ action: undefined }], [{ action: ["Accept"] }]])(
    "of an action that is not known denies everything: %j",
    (change) => {
      expect(parse({ ingress: [rule(change)] }).ingress).toEqual([{ name: "", action: "Deny", peers: [], ports: [] }]);
    },
  );

  test.each([null, 7, "Accept", [], ["Accept"]])("is no object and denies everything: %j", (json) => {
    const { egress, problems } = parse({ egress: [json] });
    expect(egress).toEqual([{ name: "", action: "Deny", peers: [], ports: [] }]);
    expect(problems).toEqual([expect.stringContaining("spec.egress[0] is ")]);
  });

  test.each([
    [{ to: [{ networks: [] }] }, ".to[0].networks is []"],
    [{ to: [{ networks: ["10.0.0.0/8", "10.0.0.1"] }] }, '.to[0].networks[1] is "10.0.0.1"'],
    [{ to: [{ domainNames: ["example.org"] }] }, ".to[0] is "],
    [{ protocols: [{ destinationNamedPort: "http" }] }, "there are no named ports for networks"],
  ])("for egress as well: %j", (change, sentence) => {
    const { egress, problems } = parse({ egress: [{ action: "Deny", to: [{ networks: ["10.0.0.0/8"] }], ...change }] });
    expect(egress).toEqual([{ name: "", action: "Deny", peers: [], ports: [] }]);
    expect(problems[0]).toContain(sentence);
  });
});

test.each([
  [{ tier: "Middle" }, "spec.tier"],
  [{ priority: 1001 }, "spec.priority"],
  [{ priority: 1.5 }, "spec.priority"],
  [{ subject: {} }, "spec.subject"],
  [{ subject: { namespaces: {}, pods: { podSelector: {} } } }, "spec.subject"],
  [{ subject: { nodes: {} } }, "spec.subject"],
  [{ subject: { pods: {} } }, "spec.subject.pods.podSelector"],
  [{ ingress: {} }, "spec.ingress"],
  [{ subjects: [] }, "not known here: subjects"],
])("what is wrong beside the rules makes the whole policy unreadable: %j", (spec, sentence) => {
  expect(() => parse(spec)).toThrow(/^Cannot read ClusterNetworkPolicy base: /);
  expect(() => parse(spec)).toThrow(sentence);
});
