import { describe, expect, test } from "vitest";
import { CniError } from "../../../src/cni/cni-error.ts";
import {
  answerVersion,
  parseDelegatedConf,
  parseNetConf,
  parseNetworkName,
  supportedVersions,
} from "../../../src/cni/net-conf.ts";

const least = { name: "pods", type: "calico", datastore_type: "kubernetes", ipam: { type: "calico-ipam" } };

function parse(conf: unknown, warnings: string[] = []) {
  const text = typeof conf === "string" ? conf : JSON.stringify(conf);
  return parseNetConf(text, { nodeName: "node-1", warn: (message) => warnings.push(message) });
}

function refusal(conf: unknown): CniError {
  try {
    parse(conf);
  } catch (error) {
    if (error instanceof CniError) return error;
    throw error;
  }
  throw new Error("Cannot test the refusal: the configuration was taken");
}

test("the least configuration has upstream's defaults", () => {
  expect(parse(least)).toMatchObject({
    cniVersion: "0.1.0",
    mtu: 0,
    require_mtu_file: false,
    container_settings: { allow_ip_forwarding: false },
    ipam: { assign_ipv4: true, assign_ipv6: false, ipv4_pools: [], ipv6_pools: [], routes: [] },
  });
});

test("flags are taken as booleans and as text", () => {
  for (const [given, meant] of [
    [true, true],
    ["true", true],
    ["True", true],
    [false, false],
    ["false", false],
  ] as const) {
    const conf = parse({ ...least, ipam: { type: "calico-ipam", assign_ipv6: given } });
    expect(conf.ipam.assign_ipv6, String(given)).toBe(meant);
  }
  expect(refusal({ ...least, ipam: { type: "calico-ipam", assign_ipv6: "yes" } })).toMatchObject({
    code: 7,
    message: expect.stringContaining("ipam.assign_ipv6"),
  });
});

test("container_settings counts at the top level only, and is remarked on elsewhere", () => {
  const warnings: string[] = [];
  const conf = parse(
    {
      ...least,
      ipam: { type: "calico-ipam", container_settings: { allow_ip_forwarding: true } },
      kubernetes: { container_settings: { allow_ip_forwarding: true } },
    },
    warnings,
  );
  expect(conf.container_settings.allow_ip_forwarding).toBe(false);
  expect(warnings).toEqual([expect.stringMatching(/ipam\.container_settings.*kubernetes\.container_settings/)]);
  const quiet: string[] = [];
  expect(parse({ ...least, container_settings: { allow_ip_forwarding: "true" } }, quiet)).toMatchObject({
    container_settings: { allow_ip_forwarding: true },
  });
  expect(quiet).toEqual([]);
});

test("unknown fields are ignored, and every documented one is taken", () => {
  const conf = {
    ...least,
    cniVersion: "1.1.0",
    nodename: "node-1",
    nodename_file: "/var/lib/calico/nodename",
    nodename_file_optional: true,
    mode: "",
    num_queues: 1,
    ipam_lock_file: "/run/x",
    etcd_endpoints: "",
    log_level: "Info",
    log_file_path: "/var/log/calico/cni/cni.log",
    log_file_max_size: 100,
    log_file_max_age: 30,
    log_file_max_count: 10,
    qps: 0.5,
    burst: 10,
    args: { cni: {} },
    calico_api_group: "",
    device_type: "veth",
    readiness_gates: ["https://x"],
    policy_setup_timeout_seconds: 3,
    endpoint_status_dir: "/var/run/calico/endpoint-status",
    dataplane_options: { type: "grpc" },
    policy: { type: "k8s", k8s_api_root: "https://x" },
    kubernetes: { k8s_api_root: "https://x:6443", kubeconfig: "/none", node_name: "node-1" },
    feature_control: { ip_addrs_no_ipam: false, floating_ips: "false" },
    runtimeConfig: { portMappings: [] },
    from_the_future: { a: 1 },
  };
  expect(parse(conf)).not.toHaveProperty("from_the_future");
});

test("addresses that the runtime asks for are read from both places, also where Go writes null for none", () => {
  const nothing = { runtimeConfig: { ips: [] }, args: { cni: { ips: [] } } };
  const { ipam } = least;
  for (const asked of [
    {},
    { runtimeConfig: null, args: null },
    { runtimeConfig: { ips: null }, args: { cni: null } },
    { args: { cni: { ips: null }, org: "x" }, ipam: { ...ipam, ipv4_pools: null } },
  ]) {
    expect(parse({ ...least, ...asked })).toMatchObject({ ...nothing, ipam: { ipv4_pools: [] } });
  }
  const given = { runtimeConfig: { ips: ["10.0.0.1/8"] }, args: { cni: { ips: ["10.0.0.2"] } } };
  expect(parse({ ...least, ...given })).toMatchObject(given);
});

test("another main plugin's configuration is read for addresses alone", () => {
  const bridge = {
    name: "side",
    cniVersion: "1.0.0",
    type: "bridge",
    mtu: "its own affair",
    ipam: { type: "calico-ipam" },
  };
  const delegated = (changes: object) => parseDelegatedConf(JSON.stringify({ ...bridge, ...changes }), "node-1");
  expect(delegated({ isGateway: true })).toMatchObject({ isGateway: true, isDefaultGateway: false });
  expect(delegated({ ipam: { ...bridge.ipam, assign_ipv6: "true" } }).ipam).toMatchObject({ assign_ipv6: true });
  const refusals: readonly (readonly [object, RegExp])[] = [
    [{ datastore_type: "etcdv3" }, /datastore_type/],
    [{ nodename: "node-2" }, /node-2/],
    [{ ipam: undefined }, /ipam/],
    [{ ipam: { ...bridge.ipam, assign_ipv4: false } }, /neither IPv4 nor IPv6/],
    [{ runtimeConfig: { ips: "10.0.0.1" } }, /runtimeConfig\.ips/],
  ];
  for (const [changes, words] of refusals) expect(() => delegated(changes)).toThrow(words);
});

describe("refusals", () => {
  const cases: readonly (readonly [string, unknown, number, string])[] = [
    ["no JSON", "{", 6, "not JSON"],
    ["null", "null", 6, "not a JSON object"],
    ["a version not spoken", { ...least, cniVersion: "0.9.9" }, 1, "0.9.9"],
    ["a version that is no text", { ...least, cniVersion: 1 }, 1, "1 is not one of"],
    ["a missing name", { ...least, name: undefined }, 7, "name: is required"],
    ["a name that is a path", { ...least, name: "../x" }, 7, "name"],
    ["a missing type", { ...least, type: undefined }, 7, "type: is required"],
    ["a missing ipam", { ...least, ipam: undefined }, 7, "ipam"],
    ["a missing ipam.type", { ...least, ipam: {} }, 7, "ipam.type: is required"],
    ["no family", { ...least, ipam: { type: "calico-ipam", assign_ipv4: "false" } }, 7, "neither IPv4 nor IPv6"],
    ["no datastore", { ...least, datastore_type: undefined }, 7, "datastore_type"],
    ["a strange nodename", { ...least, nodename: "node-2" }, 7, 'nodename is "node-2"'],
    ["a strange node_name", { ...least, kubernetes: { node_name: "node-3" } }, 7, "kubernetes.node_name"],
    ["a device that cannot be made", { ...least, device_type: "netkit" }, 7, 'device_type: must be "veth"'],
    ["an MTU out of range", { ...least, mtu: 70_000 }, 7, "mtu"],
  ];
  for (const [name, conf, code, words] of cases) {
    test(name, () => {
      expect(refusal(conf)).toMatchObject({ code, message: expect.stringContaining(words) });
    });
  }
});

test("a DEL needs only the network's name", () => {
  expect(parseNetworkName(JSON.stringify({ name: "pods", ipam: "nonsense", nodename: "other" }))).toBe("pods");
  expect(() => parseNetworkName("{}")).toThrow(/name: is required/);
  expect(() => parseNetworkName('{"name":"a b"}')).toThrow(/network name/);
});

test("failures are answered in the caller's version where it has a good one", () => {
  for (const version of supportedVersions) expect(answerVersion(JSON.stringify({ cniVersion: version }))).toBe(version);
  expect(answerVersion("{}")).toBe("0.1.0");
  expect(answerVersion('{"cniVersion":"7"}')).toBe("1.1.0");
  expect(answerVersion("nonsense")).toBe("1.1.0");
});
