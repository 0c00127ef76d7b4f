import { describe, expect, test } from "vitest";
import { parseIpPool } from "../../../src/api/ip-pool.ts";
import { type AddressSources, addressAnnotations, planAddresses } from "../../../src/cni/address-request.ts";
import type { CniError } from "../../../src/cni/cni-error.ts";

const pools = [
  parseIpPool({ metadata: { name: "four" }, spec: { cidr: "10.4.0.0/16" } }),
  parseIpPool({ metadata: { name: "six" }, spec: { cidr: "fd00:6::/64" } }),
];

interface Wishes {
  readonly pod?: Partial<Record<keyof typeof addressAnnotations, unknown>>;
  readonly namespace?: Partial<Record<keyof typeof addressAnnotations, unknown>>;
  readonly ipam?: Partial<AddressSources["conf"]["ipam"]>;
  readonly features?: Partial<AddressSources["conf"]["feature_control"]>;
  readonly capability?: readonly string[];
  readonly convention?: readonly string[];
  readonly argument?: string;
}

/** Values that are no text are written as JSON. */
function annotationsOf(wishes: Wishes["pod"] = {}): Record<string, string> {
  return Object.fromEntries(
    Object.entries(wishes).map(([name, value]) => [
      addressAnnotations[name as keyof typeof addressAnnotations],
      typeof value === "string" ? value : JSON.stringify(value),
    ]),
  );
}

function sourcesOf(wishes: Wishes): AddressSources {
  return {
    conf: {
      ipam: {
        type: "calico-ipam",
        assign_ipv4: true,
        assign_ipv6: false,
        ipv4_pools: [],
        ipv6_pools: [],
        routes: [],
        ...wishes.ipam,
      },
      feature_control: { ip_addrs_no_ipam: false, floating_ips: false, ...wishes.features },
      runtimeConfig: { ips: [...(wishes.capability ?? [])] },
      args: { cni: { ips: [...(wishes.convention ?? [])] } },
    },
    pod: "shop/web",
    podAnnotations: annotationsOf(wishes.pod),
    namespaceAnnotations: annotationsOf(wishes.namespace),
    arguments: new Map(wishes.argument === undefined ? [] : [["IP", wishes.argument]]),
    pools,
  };
}

const plan = (wishes: Wishes) => planAddresses(sourcesOf(wishes));

function refusal(wishes: Wishes): CniError {
  try {
    plan(wishes);
  } catch (error) {
    return error as CniError;
  }
  throw new Error("Cannot test the refusal: the wishes were taken");
}

test("nothing asked for is one address of each family that the configuration assigns, of any pool", () => {
  const free = { by: "ipam", addresses: [], pools: {}, floatingIps: [] };
  expect(plan({})).toEqual({ ...free, v4: 1, v6: 0 });
  expect(plan({ ipam: { assign_ipv6: true } })).toEqual({ ...free, v4: 1, v6: 1 });
  expect(plan({ ipam: { assign_ipv4: false, assign_ipv6: true } })).toEqual({ ...free, v4: 0, v6: 1 });
  // Empty text says nothing.
  const empty = { ipAddrs: "", ipAddrsNoIpam: "", ipFamilies: "", ipv4pools: "", floatingIPs: "" };
  expect(plan({ pod: empty, namespace: empty })).toEqual({ ...free, v4: 1, v6: 0 });
});

describe("pools", () => {
  test("the pod's come before the namespace's, those before the configuration's, each family by itself", () => {
    const ipam = { ipv4_pools: ["conf-4"], ipv6_pools: ["conf-6"] };
    expect(plan({ ipam }).pools).toEqual({ 4: ["conf-4"], 6: ["conf-6"] });
    expect(plan({ ipam, namespace: { ipv4pools: ["ns-4"] } }).pools).toEqual({ 4: ["ns-4"], 6: ["conf-6"] });
    expect(plan({ ipam, namespace: { ipv4pools: ["ns-4"] }, pod: { ipv4pools: ["pod-4"] } }).pools).toEqual({
      4: ["pod-4"],
      6: ["conf-6"],
    });
    expect(plan({ namespace: { ipv6pools: ["ns-6"] }, pod: { ipv6pools: ["pod-6"] } }).pools).toEqual({ 6: ["pod-6"] });
  });

  test("an empty list of the pod's frees it from the namespace's and the configuration's", () => {
    const wishes = { ipam: { ipv4_pools: ["conf-4"] }, namespace: { ipv4pools: ["ns-4"] }, pod: { ipv4pools: [] } };
    expect(plan(wishes).pools).toEqual({});
  });

  test("networks are put in canonical form, names stay", () => {
    expect(plan({ pod: { ipv4pools: ["10.4.1.1/16", "four"], ipv6pools: ["FD00:6:0::/64"] } }).pools).toEqual({
      4: ["10.4.0.0/16", "four"],
      6: ["fd00:6::/64"],
    });
  });

  test("one of the other family is refused, by network and by name", () => {
    expect(refusal({ pod: { ipv4pools: ["fd00:6::/64"] } }).message).toMatch(
      /ipv4pools of pod .* fd00:6::\/64 is not IPv4/,
    );
    expect(refusal({ namespace: { ipv6pools: ["four"] } }).message).toMatch(
      /ipv6pools of namespace shop, .* pool four is 10\.4\.0\.0\/16, which is not IPv6/,
    );
    expect(refusal({ ipam: { ipv4_pools: ["six"] } }).message).toMatch(/ipam\.ipv4_pools .* pool six .* not IPv4/);
  });
});

test("families come from the pod, then the namespace, then the configuration", () => {
  const both = { namespace: { ipFamilies: ["IPv4", "IPv6"] } };
  expect(plan(both)).toMatchObject({ v4: 1, v6: 1 });
  expect(plan({ ...both, pod: { ipFamilies: ["IPv6"] } })).toMatchObject({ v4: 0, v6: 1 });
  expect(plan({ ipam: { assign_ipv6: true }, pod: { ipFamilies: ["IPv4"] } })).toMatchObject({ v4: 1, v6: 0 });
});

describe("fixed addresses", () => {
  test("are the pod's only ones, whatever families and pools are said", () => {
    const wishes = {
      ipam: { assign_ipv6: true, ipv4_pools: ["four"] },
      pod: { ipAddrs: ["10.4.0.9"], ipFamilies: ["IPv6"] },
    };
    expect(plan(wishes)).toEqual({ by: "ipam", v4: 0, v6: 0, addresses: ["10.4.0.9"], pools: {}, floatingIps: [] });
    // A family that the configuration does not assign is given when it is asked for.
    expect(plan({ pod: { ipAddrs: ["FD00:6::0:9", "10.4.0.9"] } }).addresses).toEqual(["fd00:6::9", "10.4.0.9"]);
  });

  test("the pod's come before the capability's, those before args.cni's, those before CNI_ARGS'", () => {
    const all = { capability: ["10.4.0.2/24"], convention: ["10.4.0.3"], argument: "10.4.0.4, fd00:6::4/64" };
    expect(plan({ ...all, pod: { ipAddrs: ["10.4.0.1"] } }).addresses).toEqual(["10.4.0.1"]);
    expect(plan(all).addresses).toEqual(["10.4.0.2"]);
    expect(plan({ ...all, capability: [] }).addresses).toEqual(["10.4.0.3"]);
    expect(plan({ argument: all.argument }).addresses).toEqual(["10.4.0.4", "fd00:6::4"]);
    expect(plan({ argument: "" })).toMatchObject({ v4: 1, addresses: [] });
  });

  test("past IPAM they need the feature, and stand alone", () => {
    const pod = { ipAddrsNoIpam: ["192.0.2.1", "2001:db8::1"] };
    const features = { ip_addrs_no_ipam: true };
    expect(plan({ pod, features, argument: "10.4.0.4" })).toMatchObject({
      by: "given",
      v4: 0,
      v6: 0,
      addresses: ["192.0.2.1", "2001:db8::1"],
    });
    expect(refusal({ pod })).toMatchObject({ code: 7, message: expect.stringContaining("ip_addrs_no_ipam") });
    expect(refusal({ pod: { ...pod, ipAddrs: ["10.4.0.1"] }, features }).message).toMatch(/beside .*\/ipAddrs/);
  });
});

describe("floating addresses", () => {
  const features = { floating_ips: true };
  test("need the feature and an address of their family, and may be many", () => {
    const pod = { floatingIPs: ["10.9.0.1", "10.9.0.2"] };
    expect(plan({ pod, features }).floatingIps).toEqual(["10.9.0.1", "10.9.0.2"]);
    expect(refusal({ pod }).message).toContain("feature_control.floating_ips");
    expect(refusal({ pod: { floatingIPs: ["fd00:9::1"] }, features }).message).toContain("has no IPv6 address");
    expect(plan({ pod: { floatingIPs: ["fd00:9::1"], ipAddrs: ["fd00:6::1"] }, features })).toMatchObject({
      addresses: ["fd00:6::1"],
      floatingIps: ["fd00:9::1"],
    });
  });
});

describe("what cannot be read is an error that names it, quotes it and says what was expected", () => {
  const long = JSON.stringify(["x".repeat(5000)]);
  const features = { ip_addrs_no_ipam: true, floating_ips: true };
  const cases: readonly (readonly [string, Wishes, RegExp])[] = [
    ["no JSON", { pod: { ipAddrs: "10.4.0.1" } }, /ipAddrs of pod shop\/web, which is "10\.4\.0\.1": .*list of words/],
    ["no list", { pod: { ipv4pools: '{"a":1}' } }, /ipv4pools.*list of words in JSON/],
    ["no words", { pod: { ipv6pools: [6] } }, /ipv6pools.*"\[6\]".*list of words/],
    ["null", { pod: { floatingIPs: null }, features }, /floatingIPs.*list of words/],
    ["no address", { pod: { ipAddrs: ["web"] } }, /ipAddrs.*"web" is not an IP address/],
    ["an address with leading zeros", { pod: { ipAddrs: ["10.4.0.01"] } }, /is not an IP address/],
    ["an impossible mask", { capability: ["10.4.0.1/33"] }, /runtimeConfig\.ips.*"10\.4\.0\.1\/33" is not/],
    ["an empty list", { pod: { ipAddrs: [] } }, /ipAddrs.*names no address/],
    ["two of a family", { pod: { ipAddrs: ["10.4.0.1", "10.4.0.2"] } }, /names 2 IPv4 addresses/],
    ["two of IPv6", { pod: { ipAddrsNoIpam: ["fd00::1", "fd00::2"] }, features }, /names 2 IPv6 addresses/],
    ["two in CNI_ARGS", { argument: "10.4.0.1,10.4.0.2" }, /IP of CNI_ARGS.*names 2 IPv4/],
    ["nobody's address", { pod: { ipAddrsNoIpam: ["127.0.0.1"] }, features }, /cannot be a pod's: it is of 127/],
    ["a multicast address", { pod: { floatingIPs: ["224.0.0.5"] }, features }, /cannot be a pod's/],
    ["an unknown family", { pod: { ipFamilies: ["ipv4"] } }, /ipFamilies.*"ipv4" is neither "IPv4" nor "IPv6"/],
    ["no family", { namespace: { ipFamilies: [] } }, /ipFamilies of namespace shop.*names no family/],
    ["no pool's name", { pod: { ipv4pools: ["A b"] } }, /"A b" is neither a pool's name nor a CIDR/],
    ["a malformed network", { pod: { ipv4pools: ["10.4.0.0/x"] } }, /"10\.4\.0\.0\/x" is neither/],
    // Also where it would not have counted.
    ["pools beside fixed ones", { pod: { ipAddrs: ["10.4.0.1"], ipv4pools: "four" } }, /ipv4pools.*list of words/],
    ["long text", { pod: { ipAddrs: long } }, /\(\d+ characters\)/],
  ];
  for (const [name, wishes, sentence] of cases) {
    test(name, () => {
      const error = refusal(wishes);
      expect(error).toMatchObject({ code: 7, message: expect.stringMatching(/^Cannot use /) });
      expect(error.message).toMatch(sentence);
      expect(error.message.length).toBeLessThan(700);
    });
  }
});

test("a namespace's fixed addresses are nobody's wish: only a pod's count", () => {
  expect(plan({ namespace: { ipAddrs: ["10.4.0.1"], ipAddrsNoIpam: "x", floatingIPs: "x" } })).toMatchObject({
    v4: 1,
    addresses: [],
    floatingIps: [],
  });
});
