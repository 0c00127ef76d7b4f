import { describe, expect, test } from "vitest";
import { z } from "zod";
import { parseBgpPeer } from "../../../src/api/bgp-peer.ts";
import { withRules } from "../../../src/api/custom-kind.ts";
import { customKinds } from "../../../src/api/custom-kinds.ts";
import { InvalidObjectError } from "../../../src/api/invalid-object-error.ts";
import { parseIpPool } from "../../../src/api/ip-pool.ts";
import { parseIpReservation } from "../../../src/api/ip-reservation.ts";
import { parseIpamBlock } from "../../../src/api/ipam-block.ts";
import { parseIpamConfiguration } from "../../../src/api/ipam-configuration.ts";
import { parseKubeControllersConfiguration } from "../../../src/api/kube-controllers-configuration.ts";
import { parseObject } from "../../../src/api/parse-object.ts";
import { namedBgpObjects } from "./bgp-specs.ts";
import { namedObjects } from "./policy-specs.ts";
import { badSpecs, goodSpecs } from "./specs.ts";

function parse(kindName: string, spec: unknown, name = "one") {
  const kind = customKinds.find(({ kind }) => kind === kindName);
  if (kind === undefined) throw new Error(`no kind ${kindName}`);
  return parseObject(kind, { metadata: { name, ...(kind.namespaced && { namespace: "shop" }) }, spec });
}

function problemsOf(action: () => unknown) {
  try {
    action();
  } catch (error) {
    if (error instanceof InvalidObjectError) return error.problems;
    throw error;
  }
  return [];
}

test.each(badSpecs)("$kind is refused: $sentence", ({ kind, spec, path, sentence }) => {
  const problems = problemsOf(() => parse(kind, spec));
  expect(problems).toContainEqual({
    path,
    given: expect.any(String),
    reason: expect.stringContaining(sentence),
  });
});

test.each(goodSpecs)("$kind is taken: $spec", ({ kind, spec }) => {
  expect(problemsOf(() => parse(kind, spec))).toEqual([]);
});

test.each([...namedObjects, ...namedBgpObjects])(
  "$kind $name with $spec: $sentence",
  ({ kind, name, spec, sentence }) => {
    const sentences = problemsOf(() => parse(kind, spec, name)).map(({ reason }) => reason);
    expect(sentences).toEqual(sentence === undefined ? [] : [expect.stringContaining(sentence)]);
  },
);

test("a rule is asked only of a value whose shape is right", () => {
  const asked: string[] = [];
  const holds = (value: string) => asked.push(value) > 0;
  const schema = withRules(z.string().max(3), [{ message: "it must be asked", field: "", holds }]);
  expect(schema.safeParse("long").success).toBe(false);
  expect(schema.safeParse("abc").success).toBe(true);
  expect(asked).toEqual(["abc"]);
});

test("an object of a namespaced kind has a namespace", () => {
  for (const kind of customKinds.filter(({ namespaced }) => namespaced)) {
    const problems = problemsOf(() => parseObject(kind, { metadata: { name: "one" }, spec: kind.example }));
    expect(problems).toMatchObject([{ path: "metadata.namespace", given: "missing" }]);
  }
});

test.each(customKinds.map((kind) => [kind.kind, kind] as const))("the example of %s is taken", (name, kind) => {
  expect(problemsOf(() => parse(name, kind.example))).toEqual([]);
});

describe("parseIpPool", () => {
  const pool = (spec: object, metadata: object = {}) => ({ metadata: { name: "one", ...metadata }, spec });

  test("fills in every default, the block size by family", () => {
    expect(parseIpPool(pool({ cidr: "10.0.0.0/16" })).spec).toEqual({
      cidr: "10.0.0.0/16",
      blockSize: 26,
      ipipMode: "Never",
      vxlanMode: "Never",
      natOutgoing: false,
      disabled: false,
      disableBGPExport: false,
      nodeSelector: "all()",
      namespaceSelector: "",
      allowedUses: ["Workload", "Tunnel"],
      assignmentMode: "Automatic",
    });
    expect(parseIpPool(pool({ cidr: "2001:db8::/64" })).spec.blockSize).toBe(122);
    expect(parseIpPool(pool({ cidr: "10.0.0.0/16", blockSize: 28 })).spec.blockSize).toBe(28);
  });

  test("takes an empty list of uses for none given, as upstream", () => {
    expect(parseIpPool(pool({ cidr: "10.0.0.0/16", allowedUses: [] })).spec.allowedUses).toEqual([
      "Workload",
      "Tunnel",
    ]);
  });

  test("keeps what the code needs of metadata", () => {
    const metadata = {
      ...{ uid: "u", resourceVersion: "7", generation: 2, finalizers: ["a/b"], labels: { a: "b" } },
      ...{ creationTimestamp: null, managedFields: [] },
    };
    expect(parseIpPool(pool({ cidr: "10.0.0.0/16" }, metadata)).metadata).toEqual({
      name: "one",
      uid: "u",
      resourceVersion: "7",
      generation: 2,
      finalizers: ["a/b"],
      labels: { a: "b" },
      annotations: {},
    });
  });

  test("says of each wrong field where it is, what it is and what it must be", () => {
    const bad = pool({ blockSize: "x", ipipMode: "Sometimes", natOutgoing: 1, allowedUses: ["Workload", "Fun"] });
    expect(() => parseIpPool(bad)).toThrow(
      new InvalidObjectError("IPPool", "one", [
        { path: "spec.cidr", given: "missing", reason: "it must be text" },
        { path: "spec.blockSize", given: '"x"', reason: "it must be a number" },
        {
          path: "spec.ipipMode",
          given: '"Sometimes"',
          reason: 'it must be one of "Never", "Always", "CrossSubnet"',
        },
        { path: "spec.natOutgoing", given: "1", reason: "it must be true or false" },
        {
          path: "spec.allowedUses[1]",
          given: '"Fun"',
          reason: 'it must be one of "Workload", "Tunnel", "LoadBalancer"',
        },
      ]),
    );
  });

  test("refuses a selector that cannot be read, and says where it stops making sense", () => {
    const problems = problemsOf(() => parseIpPool(pool({ cidr: "10.0.0.0/16", nodeSelector: "rack = '1'" })));
    expect(problems[0]).toMatchObject({ path: "spec.nodeSelector", given: `"rack = '1'"` });
    expect(problems[0]?.reason).toContain("at character 6");
  });

  test.each([undefined, null, 3, "text", [], {}])("refuses %j, which is no object", (json) => {
    expect(() => parseIpPool(json)).toThrow(/^Cannot read IPPool without a name: /);
  });

  test("names a namespaced object with its namespace and cuts what is too long to show", () => {
    const json = { metadata: { name: "a", namespace: "b" }, spec: { cidr: "x".repeat(500) } };
    expect(() => parseIpPool(json)).toThrow(/^Cannot read IPPool b\/a: spec.cidr is "x{79}…: it must/);
  });
});

describe("parseIpamBlock", () => {
  const block = (spec: object) => ({
    metadata: { name: "10-0-0-0-30" },
    spec: { cidr: "10.0.0.0/30", allocations: [null, 0, null, null], unallocated: [0, 2, 3], attributes: [], ...spec },
  });

  test.each([
    [5, 5n],
    [1764000000000000001n, 1764000000000000001n],
    ["1764000000000000001", 1764000000000000001n],
    [undefined, 0n],
  ])("takes the sequence number %s", (given, expected) => {
    const { spec } = parseIpamBlock(block({ sequenceNumber: given, sequenceNumberForAllocation: { "1": given ?? 0 } }));
    expect(spec.sequenceNumber).toBe(expected);
    expect(spec.sequenceNumberForAllocation).toEqual({ "1": expected });
  });

  test.each([2 ** 60, 1.5, 2n ** 63n, "1.5", "", true])("refuses the sequence number %s", (given) => {
    expect(problemsOf(() => parseIpamBlock(block({ sequenceNumber: given })))[0]).toMatchObject({
      path: "spec.sequenceNumber",
      reason: expect.stringContaining("read without rounding"),
    });
  });

  test("keeps the attributes under upstream's names", () => {
    const attribute = {
      handle_id: "h",
      secondary: { pod: "a" },
      alternateOwnerAttrs: { pod: "b" },
      releasedAt: "2026-01-02T03:04:05Z",
    };
    expect(parseIpamBlock(block({ attributes: [attribute] })).spec.attributes).toEqual([attribute]);
  });
});

test("an IPAMConfiguration is bounded", () => {
  const parse = (spec: object) => parseIpamConfiguration({ metadata: { name: "default" }, spec });
  expect(parse({}).spec).toEqual({
    strictAffinity: false,
    maxBlocksPerHost: 0,
    autoAllocateBlocks: true,
    kubeVirtVMAddressPersistence: "Enabled",
    ipCooldownSeconds: 0,
  });
  expect(problemsOf(() => parse({ ipCooldownSeconds: 1201 }))).toEqual([
    { path: "spec.ipCooldownSeconds", given: "1201", reason: "it must be at most 1200" },
  ]);
});

test("a reservation takes any writing of a network, and gives it in canonical form", () => {
  const json = { metadata: { name: "r" }, spec: { reservedCIDRs: ["10.0.0.7/24", "2001:DB8:0::/64"] } };
  expect(parseIpReservation(json).spec.reservedCIDRs).toEqual(["10.0.0.0/24", "2001:db8::/64"]);
});

test("a KubeControllersConfiguration has upstream's defaults, and only the controllers that it names", () => {
  const parse = (spec: object) =>
    parseKubeControllersConfiguration({ metadata: { name: "default" }, spec: { controllers: spec } }).spec;
  expect(parse({})).toEqual({
    logSeverityScreen: "Info",
    healthChecks: "Enabled",
    etcdV3CompactionPeriod: "10m",
    prometheusMetricsPort: 9094,
    controllers: {},
  });
  const all = { node: { hostEndpoint: {} }, policy: {}, loadBalancer: {}, migration: {} };
  expect(parse(all).controllers).toEqual({
    node: {
      reconcilerPeriod: "5m",
      syncLabels: "Enabled",
      leakGracePeriod: "15m",
      hostEndpoint: { autoCreate: "Disabled", createDefaultHostEndpoint: "Enabled" },
    },
    policy: { reconcilerPeriod: "5m" },
    loadBalancer: { assignIPs: "AllServices" },
    migration: { policyNameMigrator: "Enabled" },
  });
  expect(problemsOf(() => parse({ node: { leakGracePeriod: "9999999h" } }))).toMatchObject([
    { path: "spec.controllers.node.leakGracePeriod", reason: "it must be shorter than 292 years" },
  ]);
});

test("an AS number is a number however it is written, and 0 is none", () => {
  const parse = (asNumber: unknown) => parseBgpPeer({ metadata: { name: "one" }, spec: { asNumber } }).spec.asNumber;
  expect([64512, "64512", "1.10", 0, "0", undefined].map(parse)).toEqual([
    64512,
    64512,
    65546,
    undefined,
    undefined,
    undefined,
  ]);
});

test.each(["65536.1", "1.65536", "4294967296", "1.2.3", ""])("the text %j is no AS number", (asNumber) => {
  const problems = problemsOf(() => parseBgpPeer({ metadata: { name: "one" }, spec: { asNumber } }));
  expect(problems).toMatchObject([{ path: "spec.asNumber", reason: expect.stringContaining("must be an AS number") }]);
});
