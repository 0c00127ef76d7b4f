import { existsSync, mkdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import type { BgpPeer } from "../../src/api/bgp-peer.ts";
import { type IpPool, parseIpPool } from "../../src/api/ip-pool.ts";
import { isReserve } from "../../src/api/ipam-block.ts";
import type { NodeName } from "../../src/api/names.ts";
import { namespacedName } from "../../src/api/names.ts";
import {
  type Attachment,
  attachmentKey,
  type Labels,
  type Namespace,
  type Node,
  type Pod,
} from "../../src/api/objects.ts";
import { AttachmentFiles } from "../../src/cni/attachments.ts";
import type { AnsweredRequest, CniDependencies } from "../../src/cni/dependencies.ts";
import { LeaseFiles } from "../../src/cni/leases.ts";
import { CniServer } from "../../src/cni/server.ts";
import type { CniTiming } from "../../src/cni/timing.ts";
import type { readInterfaceAddresses } from "../../src/host/addresses-in-use.ts";
import { systemClock } from "../../src/host/clock.ts";
import { LinuxHost } from "../../src/host/linux-host.ts";
import { openNetlink } from "../../src/host/netlink/route-netlink.ts";
import { inNetns } from "../../src/host/netns.ts";
import { pluginRunner } from "../../src/host/run-plugin.ts";
import { readSysctl, writeSysctl } from "../../src/host/sysctl.ts";
import { Allocator } from "../../src/ipam/allocator.ts";
import { type Allocation, allocationsOf } from "../../src/ipam/block.ts";
import { KubeUnreachableError } from "../../src/kube/client.ts";
import { hostCidr } from "../../src/net/cidr.ts";
import type { Ip } from "../../src/net/ip.ts";
import { FakeCluster, FakeIpamStore, type Fault } from "../fakes/ipam-store.ts";
import type { Shim } from "./cni-call.ts";
import { makeNamespace, type TestNamespace } from "./netlink-namespaces.ts";

/** Everything of the node that outlives a server. */
export type NodeParts = Omit<CniDependencies, "attachments" | "leases">;

/** What those are made of. */
export interface NodeFacts
  extends Pick<CniNode, "netns" | "folder" | "cluster" | "storeFault" | "namespacePaths">,
    Pick<CniNode, "pods" | "namespaces" | "nodes" | "bgpPeers">,
    Pick<CniNode, "published" | "reports" | "answered" | "observed"> {
  readonly shim: Pick<Shim, "spool">;
}

/**
 * One node for CNI tests: a network namespace and servers over the real kernel, with the real allocator over a fake store.
 * Needs root.
 */
export class CniNode implements AsyncDisposable {
  readonly shim: Shim;
  readonly folder: string;
  /** What the store holds: one pool of each family, at first. */
  readonly cluster = new FakeCluster();
  /** What becomes of calls to the store. */
  storeFault: Fault = async () => ({});
  /** Attachments that Felix would hold. */
  readonly published = new Map<string, Attachment>();
  readonly reports: string[] = [];
  /** What the observer was told. */
  readonly answered: AnsweredRequest[] = [];
  readonly observed: string[] = [];
  readonly pods = new Map<string, Pod>();
  /** By name; `shop` is there. */
  readonly namespaces = new Map<string, Namespace>([
    ["shop", { name: "shop", labels: { team: "a" }, annotations: {} }],
  ]);
  nodes: readonly Node[] = [];
  bgpPeers: readonly BgpPeer[] = [];
  readonly dependencies: NodeParts;
  readonly #own = makeNodeNamespace();
  readonly #others: TestNamespace[] = [];
  readonly #servers: CniServer[] = [];

  constructor(shim: Shim) {
    this.shim = shim;
    this.folder = shim.nodeFolder;
    mkdirSync(this.folder);
    this.cluster.pools = [poolOf("four", { cidr: "192.168.7.0/24" }), poolOf("six", { cidr: "fd00:7::/64" })];
    this.dependencies = dependenciesOf(this);
  }

  /** The node's network namespace and those made on it. */
  get namespacePaths(): readonly string[] {
    return [this.#own, ...this.#others].map(({ path }) => path);
  }

  get netns(): string {
    return this.#own.path;
  }

  /** Runs the real executable. */
  get call(): Shim["call"] {
    return this.shim.call;
  }

  /** Makes a pod object with these annotations and a network namespace for it; answers the namespace's path. */
  addPod(name: string, annotations: Labels = {}): string {
    this.pods.set(namespacedName("shop", name), { ...podOf(name), annotations });
    return this.addNamespace();
  }

  /** Makes a network namespace that is no pod's; answers its path. */
  addNamespace(): string {
    const namespace = makeNamespace();
    this.#others.push(namespace);
    namespace.ip("link", "set", "lo", "up");
    return namespace.path;
  }

  /** A server that listens on the shim's socket; `changes` stand in for a part of the node. Closed with the node. */
  async serve(changes: Partial<NodeParts> = {}, timing: Partial<CniTiming> = {}): Promise<CniServer> {
    const parts = { ...this.dependencies, ...changes };
    const attachments = new AttachmentFiles(parts.host, join(this.folder, "attachments"), parts.report);
    const leases = new LeaseFiles(parts.host, join(this.folder, "leases"), parts.report);
    const server = new CniServer({ ...parts, attachments, leases }, { socketPath: this.shim.socketPath, timing });
    await server.start();
    this.#servers.push(server);
    return server;
  }

  async run(netns: string, argv: readonly [string, ...string[]]): Promise<string> {
    return (await this.dependencies.host.run(["nsenter", `--net=${netns}`, ...argv])).stdout;
  }

  /** Every address in use, without what is held for pods to come. */
  allocations(): readonly Allocation[] {
    return this.#entries().filter(({ attribute }) => !isReserve(attribute));
  }

  /** What is held for pods to come, or was given to one and is not named yet. */
  held(): readonly Allocation[] {
    return this.#entries().filter(({ attribute }) => isReserve(attribute));
  }

  /** The addresses of a container of the network `k8s-pod-network`. */
  addressesOf(container: string): readonly Ip[] {
    const own = this.allocations().filter(({ attribute }) => attribute.handle_id === `k8s-pod-network.${container}`);
    return own.map(({ ip }) => ip);
  }

  /** Everything of pods that the node holds: interfaces, routes, addresses held, attachments published, files. */
  async leftovers(): Promise<readonly string[]> {
    const links = this.#own.ipJson("link").map((link) => String(link["ifname"]));
    const routes = this.#own.ip("route").split("\n");
    const files = ["attachments", "leases", "holds", "intents", "journal", "spool"].map((name) =>
      this.dependencies.host.listFolder(join(this.folder, name)),
    );
    return [
      ...links.filter((name) => !["lo", "uplink", "wire"].includes(name)),
      ...routes.map((line) => line.trim()).filter((line) => line !== "" && line !== "default dev uplink scope link"),
      ...this.allocations().map(({ ip }) => ip),
      ...this.cluster.handles.keys(),
      ...this.published.keys(),
      ...(await Promise.all(files)).flat(),
    ];
  }

  /** Rejects unless TCP from one namespace reaches `ip` in the other. */
  async connect(from: string, to: string, ip: string): Promise<void> {
    // Without a host the socket is bound before `listen` returns, so it belongs to that namespace.
    const listener = inNetns(to, () => createServer((socket) => socket.end()).listen(0));
    try {
      const { port } = listener.address() as AddressInfo;
      await this.run(from, [process.execPath, "-e", connectScript, ip, String(port)]);
    } finally {
      listener.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.close()));
    for (const namespace of [this.#own, ...this.#others]) namespace[Symbol.dispose]();
    await rm(this.folder, { recursive: true, force: true });
  }

  #entries(): readonly Allocation[] {
    return [...this.cluster.blocks.values()].flatMap(({ value }) => allocationsOf(value));
  }
}

/** A pool for pods, with every default but `spec`. */
export function poolOf(name: string, spec: Readonly<Record<string, unknown>>): IpPool {
  return parseIpPool({ metadata: { name }, spec: { allowedUses: ["Workload"], ...spec } });
}

/** The fault of a store that does not answer. */
export async function storeIsAway(): Promise<never> {
  throw new KubeUnreachableError("read a block", "https://10.96.0.1:443", new Error("ECONNREFUSED"));
}

// --- internal ---

const nodeName = "node-1" as NodeName;

const connectScript = `
  const [, ip, port] = process.argv;
  const socket = require("node:net").connect({ host: ip, port: Number(port), timeout: 3000 });
  socket.on("connect", () => process.exit(0)).on("timeout", () => process.exit(2));
`;

function makeNodeNamespace(): TestNamespace {
  const namespace = makeNamespace();
  namespace.ip("link", "set", "lo", "up");
  // The kernel proxies ARP only for what it has a route to by another interface: the gateway's is the node's default.
  namespace.ip("link", "add", "uplink", "mtu", "1450", "type", "veth", "peer", "name", "wire");
  for (const link of ["wire", "uplink"]) namespace.ip("link", "set", link, "up");
  namespace.ip("address", "add", "10.250.0.1/32", "dev", "uplink");
  namespace.ip("address", "add", "fd00:250::1/128", "dev", "uplink", "nodad");
  namespace.ip("route", "add", "default", "dev", "uplink");
  return namespace;
}

/** Over the real kernel, and the cluster of `node`. */
export function dependenciesOf(node: NodeFacts): NodeParts {
  const { netns, folder } = node;
  const store = new FakeIpamStore(node.cluster, (call) => node.storeFault(call));
  return {
    nodeName,
    paths: {
      spool: node.shim.spool,
      journal: join(folder, "journal"),
      intents: join(folder, "intents"),
      bootId: join(folder, "boot-id"),
      holds: join(folder, "holds"),
      netConf: join(folder, "net.d"),
      mtuFile: join(folder, "mtu"),
    },
    host: new LinuxHost(),
    // The node's namespace, since the tests' own process runs outside it.
    openNetlink: (path) => openNetlink(path ?? netns),
    readSysctl: (path, key) => readSysctl(path ?? netns, key),
    writeSysctl: (path, key, value) => writeSysctl(path ?? netns, key, value),
    readInterfaceAddresses: (isWanted) => readAddresses(node.namespacePaths, isWanted),
    // As far as this node goes: the machine's first process may be out of sight here.
    mayLeadToNamespace: (path) => existsSync(path),
    isUplink: () => false,
    ipam: new Allocator({ store, node: nodeName, clock: { ...systemClock, sleep: async () => {} } }),
    cachedPod: (pod) => node.pods.get(pod),
    namespaceOf: (name) => node.namespaces.get(name),
    pools: () => node.cluster.pools,
    nodes: () => node.nodes,
    bgpPeers: () => node.bgpPeers,
    apiServer: "https://10.96.0.1",
    readPod: async (pod) => node.pods.get(pod),
    publish: async (attachment) => {
      node.published.set(attachmentKey(attachment), attachment);
      await setRoutes(netns, attachment);
    },
    withdraw: async (key) => {
      node.published.delete(key);
    },
    policyFaults: async () => [],
    runPlugin: pluginRunner(new LinuxHost(), ["nsenter", `--net=${netns}`]),
    unready: () => undefined,
    report: (_level, message) => node.reports.push(message),
    observer: {
      answered: (request) => node.answered.push(request),
      attached: (attachment) => node.observed.push(`attached ${attachment.containerId}`),
      detached: (attachment) => node.observed.push(`detached ${attachment.containerId}`),
    },
    clock: systemClock,
  };
}

/** What the kernel has in these namespaces, and not in those of other tests. */
async function readAddresses(
  paths: readonly string[],
  isWanted: (ip: Ip) => boolean,
): ReturnType<typeof readInterfaceAddresses> {
  const found = await Promise.all(
    paths.map(async (path) => {
      const netlink = openNetlink(path);
      try {
        const links = new Map((await netlink.links()).map(({ index, name }) => [index, name]));
        const namespace = { inode: path, paths: [path], name: path };
        const wanted = (await netlink.addresses()).filter(({ ip }) => isWanted(ip));
        return wanted.map(({ ip, linkIndex }) => ({ ip, interface: links.get(linkIndex) ?? "", namespace }));
      } finally {
        netlink.close();
      }
    }),
  );
  return found.flat();
}

/** What Felix does with an attachment, less policy. */
async function setRoutes(netns: string, { hostInterface, addresses }: Attachment): Promise<void> {
  // Rules come before the pair does.
  if (addresses.length === 0) return;
  const netlink = openNetlink(netns);
  try {
    const link = await netlink.link(hostInterface);
    if (link === undefined) throw new Error(`Cannot publish: ${hostInterface} is not there`);
    const routes = addresses.map((ip) => ({
      destination: hostCidr(ip),
      linkIndex: link.index,
      scope: "link" as const,
    }));
    for (const route of routes) {
      await netlink.replaceRoutes([route.destination.includes(":") ? { ...route, scope: "universe" } : route]);
    }
  } finally {
    netlink.close();
  }
}

function podOf(name: string): Pod {
  return {
    namespace: "shop",
    name,
    uid: `uid-${name}`,
    labels: {},
    annotations: {},
    node: nodeName,
    serviceAccount: "default",
    ips: [],
    annotatedIps: [],
    hostNetwork: false,
    namedPorts: [],
    finished: false,
  };
}
