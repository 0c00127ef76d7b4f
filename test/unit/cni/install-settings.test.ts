import { expect, test } from "vitest";
import { InstallSettingsError, installSettingsOf } from "../../../src/cni/install/settings.ts";

const of = (environment: Readonly<Record<string, string>>) => installSettingsOf(environment, "Node-1.Example\n");

test("without variables it installs what upstream's manifests have, and stays", () => {
  expect(of({})).toEqual({
    hostNetDir: "/etc/cni/net.d",
    confName: "10-calico.conflist",
    oldConfName: undefined,
    skippedPrograms: new Set(),
    updatePrograms: true,
    template: {},
    sleep: true,
    requireMtuFile: false,
    kubeconfig: false,
    apiServer: undefined,
    skipTlsVerify: false,
    values: {
      KUBERNETES_NODE_NAME: "node-1.example",
      CNI_MTU: "0",
      LOG_LEVEL: "info",
      LOG_FILE_PATH: "/var/log/calico/cni/cni.log",
      LOG_FILE_MAX_SIZE: "100",
      LOG_FILE_MAX_AGE: "30",
      LOG_FILE_MAX_COUNT: "10",
      DATASTORE_TYPE: "kubernetes",
      KUBERNETES_SERVICE_HOST: "",
      KUBERNETES_SERVICE_PORT: "",
      ETCD_ENDPOINTS: "",
      ETCD_DISCOVERY_SRV: "",
      ETCD_CERT_FILE: "",
      ETCD_CA_CERT_FILE: "",
      ETCD_KEY_FILE: "",
    },
  });
});

test("an empty variable counts as absent", () => {
  expect(of({ SLEEP: "", CNI_MTU: "", CNI_CONF_NAME: "", CNI_NETWORK_CONFIG: "" })).toEqual(of({}));
});

test("each variable has its effect", () => {
  const settings = of({
    CNI_NET_DIR: "/var/snap/cni/net.d",
    CNI_CONF_NAME: "05-margay.conflist",
    SKIP_CNI_BINARIES: "bandwidth, calico-ipam",
    UPDATE_CNI_BINARIES: "f",
    CNI_NETWORK_CONFIG: "{}",
    CNI_NETWORK_CONFIG_FILE: "/config",
    SLEEP: "FALSE",
    REQUIRE_MTU_FILE: "1",
    MARGAY_CNI_KUBECONFIG: "True",
    SKIP_TLS_VERIFY: "t",
    KUBERNETES_SERVICE_HOST: "fd00::1",
    KUBERNETES_SERVICE_PORT: "6443",
    KUBERNETES_NODE_NAME: "node-2",
    CNI_MTU: "65535",
    LOG_LEVEL: "Debug",
  });
  expect(settings).toMatchObject({
    hostNetDir: "/var/snap/cni/net.d",
    confName: "05-margay.conflist",
    // As upstream: under its usual name an earlier one may be there.
    oldConfName: "10-calico.conflist",
    skippedPrograms: new Set(["bandwidth", "calico-ipam"]),
    updatePrograms: false,
    template: { text: "{}", file: "/config" },
    sleep: false,
    requireMtuFile: true,
    kubeconfig: true,
    skipTlsVerify: true,
    apiServer: "https://[fd00::1]:6443",
    values: { KUBERNETES_NODE_NAME: "node-2", CNI_MTU: "65535", LOG_LEVEL: "Debug" },
  });
});

test("an old configuration of the same name is none", () => {
  expect(of({ CNI_OLD_CONF_NAME: "10-calico.conflist" }).oldConfName).toBeUndefined();
  expect(of({ CNI_OLD_CONF_NAME: "10-flannel.conf" }).oldConfName).toBe("10-flannel.conf");
});

test.each([
  ["CNI_NET_DIR", "etc/cni"],
  ["CNI_CONF_NAME", "../10-calico.conflist"],
  ["CNI_CONF_NAME", ".conflist"],
  ["CNI_CONF_NAME", "10-calico.yaml"],
  ["CNI_OLD_CONF_NAME", "calico-kubeconfig"],
  ["CNI_OLD_CONF_NAME", "a/b.conf"],
  ["CNI_MTU", "65536"],
  ["CNI_MTU", "1500 "],
  ["CNI_MTU", '1500, "x": 1'],
  ["CNI_MTU", "01"],
  ["KUBERNETES_NODE_NAME", "Node 1"],
  ["DATASTORE_TYPE", "etcdv3"],
  ["LOG_LEVEL", "loud"],
  ["LOG_FILE_MAX_SIZE", "-1"],
  ["SLEEP", "yes"],
  ["UPDATE_CNI_BINARIES", "2"],
  ["REQUIRE_MTU_FILE", "on"],
  ["MARGAY_CNI_KUBECONFIG", "please"],
  ["KUBERNETES_SERVICE_HOST", "host/path"],
  ["KUBERNETES_SERVICE_PORT", "http"],
  ["KUBERNETES_SERVICE_PROTOCOL", "ftp"],
])("%s=%s is refused in words", (name, value) => {
  expect(() => of({ [name]: value })).toThrow(`Cannot install the CNI: ${name} is ${JSON.stringify(value)}, not `);
});

test("every fault is named at once", () => {
  expect(() => of({ SLEEP: "x", CNI_MTU: "x" })).toThrow(
    expect.objectContaining({
      constructor: InstallSettingsError,
      faults: [expect.stringContaining("SLEEP"), expect.stringContaining("CNI_MTU")],
    }),
  );
});
