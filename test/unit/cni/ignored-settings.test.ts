import { expect, test } from "vitest";
import { ignoredSettings } from "../../../src/cni/ignored-settings.ts";

test("each setting that asks for something and gets nothing is named by its path", () => {
  const asking = {
    num_queues: 4,
    readiness_gates: ["http://localhost/ready"],
    dataplane_options: { type: "grpc" },
    ipam: { type: "calico-ipam", subnet: "usePodCidr", ranges: [[{ subnet: "10.0.0.0/24" }]] },
  };
  expect(ignoredSettings(asking)).toEqual([
    "num_queues",
    "readiness_gates",
    "dataplane_options",
    "ipam.subnet",
    "ipam.ranges",
  ]);
});

test("values that ask for nothing, and settings that miss nothing, are not named", () => {
  const quiet = {
    num_queues: 1,
    log_file_path: "/var/log/calico/cni/cni.log",
    log_file_max_size: 100,
    log_file_max_age: 30,
    log_file_max_count: 10,
    feature_control: { ip_addrs_no_ipam: "true", floating_ips: true },
    runtimeConfig: { ips: ["10.0.0.1"] },
    args: { cni: { ips: ["10.0.0.1"] } },
    readiness_gates: [],
    policy_setup_timeout_seconds: 5,
    dataplane_options: {},
    ipam: { type: "calico-ipam", subnet: "", ranges: [], ipv4_pools: ["10.0.0.0/16"] },
    log_level: "debug",
    kubernetes: { kubeconfig: "/etc/cni/net.d/calico-kubeconfig" },
    policy: { type: "k8s" },
    qps: 5,
    burst: 10,
    prevResult: { container_settings: {} },
  };
  expect(ignoredSettings(quiet)).toEqual([]);
  const others = { type: "host-local", subnet: "usePodCidr", ranges: [[{ subnet: "10.0.0.0/24" }]] };
  expect(ignoredSettings({ ...quiet, ipam: others })).toEqual([]);
  expect(ignoredSettings({})).toEqual([]);
});
