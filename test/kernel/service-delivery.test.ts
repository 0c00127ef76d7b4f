import { execFileSync } from "node:child_process";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type ProxiedServices, readProxiedServices } from "../../src/agent/bgp/proxied-services.ts";
import type { Nftables } from "../../src/host/netlink/nftables.ts";
import { openNftables } from "../../src/host/netlink/nftables-netlink.ts";
import { KubeProxyNode } from "./kube-proxy-node.ts";
import { NamespaceHost } from "./namespace-host.ts";
import { makeNamespace, type TestNamespace } from "./netlink-namespaces.ts";

/** `/proc/net` is that of whoever reads it. */
class ReadingHost extends NamespaceHost {
  override async readFile(path: string) {
    const { stdout } = await this.run(["sh", "-c", 'cat "$1" 2>/dev/null || true', "sh", path]);
    return stdout === "" ? undefined : stdout;
  }
}

let namespace: TestNamespace;
let nftables: Nftables;
let proxy: KubeProxyNode;

beforeEach(() => {
  namespace = makeNamespace();
  nftables = openNftables(namespace.path);
  proxy = new KubeProxyNode(namespace);
});
afterEach(async () => {
  await proxy[Symbol.asyncDispose]();
  nftables.close();
  namespace[Symbol.dispose]();
});

const read = (host = new ReadingHost(namespace.name)) => readProxiedServices({ host, nftables });
const shown = (services: ProxiedServices | undefined) =>
  services && Object.fromEntries([...services].map(([ip, endpoints]) => [ip, [...endpoints].sort()]));

test("a namespace without kube-proxy has none, and legacy iptables is not asked", async () => {
  const host = new ReadingHost(namespace.name);
  expect(await read(host)).toBeUndefined();
  expect(host.ran.filter((name) => name.includes("legacy"))).toEqual([]);
});

describe.each(["iptables", "nftables"] as const)("a real kube-proxy in mode %s", (mode) => {
  test("is read: which endpoints every address of each Service leads to", async () => {
    await proxy.start(mode, {
      services: [
        service("web", {
          ...{ clusterIPs: ["10.96.0.10"], externalIPs: ["203.0.113.9"], externalTrafficPolicy: "Local" },
          healthCheckNodePort: 31_000,
        }),
        service("elsewhere", { clusterIPs: ["10.96.0.11"], externalTrafficPolicy: "Cluster" }),
        service("six", { clusterIPs: ["fd96::10"], ipFamilies: ["IPv6"], externalTrafficPolicy: "Cluster" }),
        service("nobody", { clusterIPs: ["10.96.0.12"], externalTrafficPolicy: "Cluster" }),
      ],
      endpointSlices: [
        slice("web", { "10.244.1.5": "node-1", "10.244.2.5": "node-2" }),
        slice("elsewhere", { "10.244.2.6": "node-2" }),
        slice("six", { "fd44::5": "node-1" }, "IPv6"),
      ],
    });
    const web = ["10.244.1.5", "10.244.2.5"];
    await vi.waitFor(
      async () => {
        expect(shown(await read())).toMatchObject({
          ...{ "10.96.0.10": web, "203.0.113.9": web, "192.0.2.77": web },
          ...{ "10.96.0.11": ["10.244.2.6"], "fd96::10": ["fd44::5"] },
        });
      },
      { timeout: 30_000, interval: 200 },
    );
    expect((await read())?.get("10.96.0.12" as never)?.size ?? 0).toBe(0);
  });
});

test("rules in legacy iptables are read as well", async () => {
  const iptables = (...argv: readonly string[]) =>
    execFileSync("ip", ["netns", "exec", namespace.name, "iptables-legacy", "-t", "nat", ...argv]);
  for (const chain of ["KUBE-SERVICES", "KUBE-SVC-A", "KUBE-SEP-A"]) iptables("-N", chain);
  iptables("-A", "KUBE-SERVICES", "-d", "10.96.0.10", "-p", "tcp", "--dport", "80", "-j", "KUBE-SVC-A");
  iptables("-A", "KUBE-SVC-A", "-g", "KUBE-SEP-A");
  iptables("-A", "KUBE-SEP-A", "-p", "tcp", "-j", "DNAT", "--to-destination", "10.244.1.5:8080");
  expect(shown(await read())).toEqual({ "10.96.0.10": ["10.244.1.5"] });
});

test("rules that cannot be read are an error, and not nothing", async () => {
  const host = new ReadingHost(namespace.name, (name) => (name.endsWith("-save") ? "false" : name));
  await expect(read(host)).rejects.toThrow();
});

function service(
  name: string,
  spec: { readonly clusterIPs: readonly string[]; readonly [field: string]: unknown },
): object {
  const port = { name: "http", protocol: "TCP", port: 80, targetPort: 8080 };
  const ip = name === "web" ? [{ ip: "192.0.2.77", ipMode: "VIP" }] : [];
  return {
    metadata: { namespace: "shop", name, uid: name, resourceVersion: "1" },
    spec: {
      ...{ type: "LoadBalancer", sessionAffinity: "None", ipFamilies: ["IPv4"], ipFamilyPolicy: "SingleStack" },
      ...{ internalTrafficPolicy: "Cluster", ports: [port], clusterIP: spec.clusterIPs[0], ...spec },
    },
    status: { loadBalancer: { ingress: ip } },
  };
}

function slice(name: string, endpoints: Readonly<Record<string, string>>, addressType = "IPv4"): object {
  const conditions = { ready: true, serving: true, terminating: false };
  return {
    metadata: {
      ...{ namespace: "shop", name: `${name}-1`, uid: `${name}-1`, resourceVersion: "1" },
      labels: { "kubernetes.io/service-name": name },
    },
    addressType,
    ports: [{ name: "http", protocol: "TCP", port: 8080 }],
    endpoints: Object.entries(endpoints).map(([ip, nodeName]) => ({ addresses: [ip], nodeName, conditions })),
  };
}
