import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { findBinaries } from "../../lab/binaries.ts";
import type { TestNamespace } from "./netlink-namespaces.ts";

/** What the API server tells kube-proxy: lists that never change while they are watched. */
interface ProxiedObjects {
  readonly services: readonly object[];
  readonly endpointSlices: readonly object[];
}

/** A real kube-proxy in a namespace of its own, which reads its Services from lists that a test gives. */
export class KubeProxyNode implements AsyncDisposable {
  readonly #children: ChildProcess[] = [];
  readonly #namespace: TestNamespace;

  constructor(namespace: TestNamespace) {
    this.#namespace = namespace;
  }

  /** Starts kube-proxy in this mode, with what says its objects; it has them in the kernel a moment later. */
  async start(mode: "iptables" | "nftables", objects: ProxiedObjects): Promise<void> {
    const { "kube-proxy": proxy } = await findBinaries();
    this.#namespace.ip("link", "set", "lo", "up");
    this.#namespace.ip("address", "replace", "192.0.2.1/32", "dev", "lo");
    const server = this.#run(
      [process.execPath, "-e", apiServer, JSON.stringify(objects)],
      ["ignore", "pipe", "inherit"],
    );
    await once(server.stdout as NonNullable<typeof server.stdout>, "data");
    const limits = ["max-per-core", "min", "tcp-timeout-established", "tcp-timeout-close-wait"];
    this.#run(
      [
        ...[proxy, "--master=http://127.0.0.1:8001", "--kube-api-content-type=application/json"],
        ...["--hostname-override=node-1", `--proxy-mode=${mode}`, "--cluster-cidr=10.244.0.0/16"],
        // Limits of connection tracking are the machine's: 0 leaves them alone.
        ...limits.map((limit) => `--conntrack-${limit}=0`),
      ],
      ["ignore", "ignore", "ignore"],
    );
  }

  /** Ends both processes; the kernel keeps the rules. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    }
  }

  #run(argv: readonly string[], stdio: ["ignore", "pipe" | "ignore", "inherit" | "ignore"]): ChildProcess {
    const child = spawn("ip", ["netns", "exec", this.#namespace.name, "setpriv", "--pdeathsig", "KILL", ...argv], {
      stdio,
    });
    this.#children.push(child);
    return child;
  }
}

// --- internal ---

/** Answers lists, and holds watches open. */
const apiServer = `
  const objects = JSON.parse(process.argv[1]);
  const node = { apiVersion: "v1", kind: "Node", metadata: { name: "node-1", resourceVersion: "1" },
    status: { addresses: [{ type: "InternalIP", address: "192.0.2.1" }] } };
  const lists = {
    services: ["v1", "ServiceList", objects.services],
    endpointslices: ["discovery.k8s.io/v1", "EndpointSliceList", objects.endpointSlices],
    nodes: ["v1", "NodeList", [node]],
    servicecidrs: ["networking.k8s.io/v1", "ServiceCIDRList", []],
  };
  require("node:http").createServer((request, response) => {
    const url = new URL(request.url, "http://x");
    const [apiVersion, kind, items] = lists[url.pathname.split("/").find((part) => part in lists)] ?? [];
    response.setHeader("content-type", "application/json");
    if (url.searchParams.get("sendInitialEvents") === "true") {
      response.statusCode = 422;
      return response.end(JSON.stringify({ kind: "Status", apiVersion: "v1", status: "Failure", reason: "Invalid", code: 422 }));
    }
    if (url.searchParams.get("watch")) return response.flushHeaders();
    if (url.pathname.endsWith("/nodes/node-1")) return response.end(JSON.stringify(node));
    if (!kind) { response.statusCode = 404; return response.end("{}"); }
    response.end(JSON.stringify({ apiVersion, kind, metadata: { resourceVersion: "1" }, items }));
  }).listen(8001, "127.0.0.1", () => console.log("listening"));
`;
