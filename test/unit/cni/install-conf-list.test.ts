import { expect, test } from "vitest";
import { formatAccountKubeconfig, isAccountKubeconfig } from "../../../src/cni/install/account-kubeconfig.ts";
import { defaultTemplate, readConfList } from "../../../src/cni/install/conf-list.ts";
import { fillTemplate } from "../../../src/cni/install/fill-template.ts";
import { InstallSettingsError, installSettingsOf } from "../../../src/cni/install/settings.ts";

const options = { name: "10-calico.conflist", requireMtuFile: false };
const calico = { type: "calico", datastore_type: "kubernetes", nodename: "node-1", ipam: { type: "calico-ipam" } };
const portmap = { type: "portmap", capabilities: { portMappings: true } };
const listOf = (...plugins: unknown[]) => JSON.stringify({ name: "net", cniVersion: "0.3.1", plugins });

test("the default template is upstream's list, and is asked about as version 1.1.0", () => {
  const values = { ...installSettingsOf({}, "node-1").values, KUBECONFIG_FILEPATH: "/etc/cni/net.d/calico-kubeconfig" };
  const { text, questions } = readConfList(fillTemplate(defaultTemplate, values), options);
  const plugin = {
    type: "calico",
    log_level: "info",
    datastore_type: "kubernetes",
    nodename: "node-1",
    mtu: 0,
    ipam: { type: "calico-ipam" },
    policy: { type: "k8s" },
    kubernetes: { kubeconfig: "/etc/cni/net.d/calico-kubeconfig" },
  };
  expect(JSON.parse(text)).toEqual({
    name: "k8s-pod-network",
    cniVersion: "0.3.1",
    plugins: [plugin, { type: "portmap", snat: true, capabilities: { portMappings: true } }],
  });
  expect(questions.map(({ program, stdin }) => [program, JSON.parse(stdin)])).toEqual([
    ["calico", { ...plugin, name: "k8s-pod-network", cniVersion: "1.1.0" }],
  ]);
});

test("a template's own text is kept as it is", () => {
  const text = ` ${listOf(calico, portmap)}\n\n`;
  expect(readConfList(text, options).text).toBe(text);
});

test("every plugin of ours is asked about, and also one that only gives addresses", () => {
  const bridge = { type: "bridge", ipam: { type: "calico-ipam" } };
  const { questions } = readConfList(listOf(calico, portmap, bridge), options);
  expect(questions.map(({ program }) => program)).toEqual(["calico", "calico-ipam"]);
});

test("a lone plugin's configuration is for a file that is no list", () => {
  const lone = JSON.stringify({ name: "net", cniVersion: "0.3.1", ...calico });
  expect(readConfList(lone, { ...options, name: "10-calico.conf" }).questions).toHaveLength(1);
  expect(() => readConfList(lone, options)).toThrow(".conflist");
  expect(() => readConfList(listOf(calico), { ...options, name: "10-calico.conf" })).toThrow(".conflist");
});

test("the MTU file is required where our plugin does not say otherwise", () => {
  const { text } = readConfList(listOf(calico, { ...calico, require_mtu_file: false }, portmap), {
    ...options,
    requireMtuFile: true,
  });
  const { plugins } = JSON.parse(text) as { plugins: Record<string, unknown>[] };
  expect(plugins.map((one) => one["require_mtu_file"])).toEqual([true, false, undefined]);
});

test.each([
  ["no JSON", "{", "it is not JSON"],
  ["no object", "[]", "it is not a JSON object"],
  ["no list", '{"name": "net", "plugins": {}}', '"plugins" is not a list of objects'],
  ["no objects", '{"name": "net", "plugins": ["calico"]}', '"plugins" is not a list of objects'],
  ["none of ours", listOf(portmap), "no plugin in it has the type"],
  ["a plugin without a type", listOf(calico, { snat: true }), "has no type"],
  ["a type that is a path", listOf(calico, { type: "../x" }), "has no type"],
  ["another datastore", listOf({ ...calico, datastore_type: "etcdv3" }), 'datastore_type: must be "kubernetes"'],
  ["an MTU in quotes", listOf({ ...calico, mtu: "1500" }), "mtu: "],
  ["two node names", listOf({ ...calico, kubernetes: { node_name: "node-2" } }), "kubernetes.node_name"],
  ["addresses of no family", listOf({ type: "bridge", ipam: { type: "calico-ipam", assign_ipv4: false } }), "neither"],
  ["no name", JSON.stringify({ cniVersion: "0.3.1", plugins: [calico] }), "name: is required"],
  ["an unknown version", JSON.stringify({ name: "n", cniVersion: "9.0.0", plugins: [calico] }), "9.0.0"],
])("%s is refused in words", (_, text, words) => {
  expect(() => readConfList(text, options)).toThrow(InstallSettingsError);
  expect(() => readConfList(text, options)).toThrow(words);
});

test("a kubeconfig is recognised as ours, and another's is not", () => {
  const account = { server: "https://10.96.0.1:443", token: 'a"b', authority: "PEM" };
  const ours = formatAccountKubeconfig(account);
  expect(JSON.parse(ours)).toMatchObject({
    clusters: [{ cluster: { server: account.server, "certificate-authority-data": "UEVN" } }],
    users: [{ user: { token: 'a"b' } }],
  });
  expect(isAccountKubeconfig(ours)).toBe(true);
  expect(isAccountKubeconfig(ours.replaceAll("margay-cni", "calico"))).toBe(false);
  for (const text of ["apiVersion: v1\nkind: Config\nusers:\n- name: calico\n", "null", "{}", ""]) {
    expect(isAccountKubeconfig(text)).toBe(false);
  }
  expect(JSON.parse(formatAccountKubeconfig({ ...account, authority: undefined })).clusters[0].cluster).toEqual({
    server: account.server,
    "insecure-skip-tls-verify": true,
  });
});
