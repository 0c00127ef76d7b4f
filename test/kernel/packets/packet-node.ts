import { execFileSync } from "node:child_process";
import type { NodeName } from "../../../src/api/names.ts";
import { podSettings } from "../../../src/cni/settings.ts";
import { hostMac, podRoutes, type Wiring } from "../../../src/cni/wire.ts";
import type { Dataplane } from "../../../src/felix/dataplane/dataplane.ts";
import type { DesiredState } from "../../../src/felix/render/desired-state.ts";
import { hostSettings, type Setting } from "../../../src/host/host-settings.ts";
import { openNetlink } from "../../../src/host/netlink/route-netlink.ts";
import { inNetns } from "../../../src/host/netns.ts";
import { writeSysctl } from "../../../src/host/sysctl.ts";
import { bitsOf, type Ip, versionOf } from "../../../src/net/ip.ts";
import { hostInterfaces } from "../../oracle/random-hosts.ts";
import { NamespaceHost } from "../namespace-host.ts";
import { makeNamespace, type TestNamespace } from "../netlink-namespaces.ts";
import { dataplaneOpeners, type OpenDataplane } from "./dataplane-openers.ts";

/** A pod that can be on the node: its interface there, and its addresses. */
export interface PacketPod {
  readonly hostInterface: string;
  readonly addresses: readonly Ip[];
}

/** A Service's address that stands for another, for one connection. */
export interface Exchange {
  readonly protocol: number;
  readonly source: Ip;
  readonly sourcePort?: number;
  readonly addressedTo: { readonly ip: Ip; readonly port?: number };
  readonly to: { readonly ip: Ip; readonly port: number };
}

/** A packet whose type of service is this leaves the node by `eth1`, unless it is for a pod on the node. */
export const tosOfEth1 = 0x10;

/**
 * A node in a namespace of its own with the real dataplane, its pods each in one, wired as the CNI wires them, and one that is
 * everything else behind two interfaces:
 *
 *     pod eth0 ── cali… node eth0 ── w0 world
 *     pod eth0 ── cali… node eth1 ── w1 world
 */
export class PacketNode implements AsyncDisposable {
  readonly namespace = makeNamespace();
  readonly world = makeNamespace();
  /** By host interface. */
  readonly pods = new Map<string, TestNamespace>();
  readonly #dataplane: Dataplane;
  #applied: DesiredState | undefined;

  private constructor(open: OpenDataplane) {
    const host = new NamespaceHost(this.namespace.name);
    this.#dataplane = inNetns(this.namespace.path, () => open(host));
  }

  /** Makes it, with this dataplane or that of iptables. Its addresses are those of `hostInterfaces`. */
  static async start(
    name: NodeName,
    pods: readonly PacketPod[],
    open = dataplaneOpeners.iptables,
  ): Promise<PacketNode> {
    const node = new PacketNode(open);
    for (const setting of forwarding) writeSysctl(node.namespace.path, setting, 1);
    for (const setting of unlimited) writeSysctl(node.namespace.path, setting, 0);
    for (const namespace of [node.namespace, node.world]) silence(namespace);
    for (const [index, { name: link, addresses }] of (hostInterfaces.get(name) ?? []).entries()) {
      await node.#wireWorld(index, link, addresses);
    }
    node.#routeByTos();
    for (const pod of pods) await node.#wirePod(pod);
    return node;
  }

  /** Everything that can send and receive: `node`, `world`, and the pods by their host interfaces. */
  get places(): Readonly<Record<string, string>> {
    const pods = [...this.pods].map(([name, { path }]) => [name, path]);
    return { node: this.namespace.path, world: this.world.path, ...Object.fromEntries(pods) };
  }

  /** Brings the kernel to the state as the agent does. */
  async apply(state: DesiredState): Promise<void> {
    await this.#dataplane.apply(state);
    this.#applied = state;
    // What the kernel still holds on to goes with the next one.
    await this.#dataplane.tidy(this.#applied);
  }

  /** No connection is known any more. */
  forgetConnections(): void {
    for (const family of ["ipv4", "ipv6"]) this.run("conntrack", "--flush", "--family", family);
  }

  /** Makes an answered connection known. `protocol` is TCP or UDP. */
  establish(protocol: 6 | 17, from: { ip: Ip; port: number }, to: { ip: Ip; port: number }): void {
    const ends = ["--orig-src", from.ip, "--orig-dst", to.ip, "--sport", `${from.port}`, "--dport", `${to.port}`];
    // The program knows a protocol's options behind its name only.
    const how = protocol === 6 ? ["--proto", "tcp", "--state", "ESTABLISHED"] : ["--proto", "udp"];
    const known = ["--status", "ASSURED,SEEN_REPLY", "--timeout", "120"];
    this.run("conntrack", "--create", ...how, ...ends, ...known);
  }

  /** Exchanges destinations as kube-proxy does, these and no others. */
  exchange(exchanges: readonly Exchange[]): void {
    for (const version of [4, 6] as const) {
      const rules = exchanges.filter(({ source }) => versionOf(source) === version).map(exchangeRule);
      const restore = version === 4 ? "iptables-restore" : "ip6tables-restore";
      const hooks = ["PREROUTING", "OUTPUT"].map((hook) => `-A ${hook} -j KUBE-SERVICES`);
      const lines = [":KUBE-SERVICES - [0:0]", "-F PREROUTING", "-F OUTPUT", ...hooks, ...rules];
      this.#run([restore, "--noflush", "--wait", "30"], `*nat\n${lines.join("\n")}\nCOMMIT\n`);
    }
  }

  /** Runs a program on the node and gives what it printed. */
  run(...argv: readonly string[]): string {
    return this.#run(argv, "");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of [...this.pods.values(), this.world, this.namespace]) one[Symbol.dispose]();
  }

  #run(argv: readonly string[], input: string): string {
    const inNamespace = ["netns", "exec", this.namespace.name, ...argv];
    return execFileSync("ip", inNamespace, { input, encoding: "utf8", stdio: ["pipe", "pipe", "pipe"] });
  }

  /** Neighbours are fixed, as policy of the node's interfaces may forbid to ask for them. */
  async #wireWorld(index: number, link: string, addresses: readonly Ip[]): Promise<void> {
    const [own, theirs] = [`02:00:00:00:00:1${index}`, `02:00:00:00:00:2${index}`];
    const peer = `w${index}`;
    const { namespace, world } = this;
    const veth = ["type", "veth", "peer", "name", peer, "address", theirs, "netns", world.name];
    namespace.ip("link", "add", link, "address", own, ...veth);
    for (const [one, device] of [
      [namespace, link],
      [world, peer],
    ] as const) {
      writeSysctl(one.path, `ipv6/conf/${device}/accept_dad`, 0);
      writeSysctl(one.path, `ipv6/conf/${device}/accept_ra`, 0);
      one.ip("link", "set", device, "up");
    }
    for (const ip of addresses) namespace.ip("addr", "add", `${ip}/${bitsOf(versionOf(ip))}`, "dev", link);
    for (const gateway of Object.values(worldGateways)) {
      namespace.ip("neigh", "replace", gateway, "lladdr", theirs, "dev", link, "nud", "permanent");
      world.ip("neigh", "replace", gateway, "lladdr", own, "dev", peer, "nud", "permanent");
      const route = ["via", gateway, "dev"];
      world.ip("route", "add", "default", ...route, peer, "metric", `${10 + index}`, "onlink");
      const table = index === 0 ? "main" : "101";
      namespace.ip("route", "add", "default", ...route, link, "table", table, "onlink");
    }
  }

  #routeByTos(): void {
    for (const family of ["-4", "-6"]) {
      // Pods are on the node whatever a packet's type of service.
      this.namespace.ip(family, "rule", "add", "pref", "100", "lookup", "main", ...["suppress_prefixlength", "0"]);
      this.namespace.ip(family, "rule", "add", "pref", "101", "tos", `0x${tosOfEth1.toString(16)}`, "lookup", "101");
    }
  }

  async #wirePod({ hostInterface, addresses }: PacketPod): Promise<void> {
    const namespace = makeNamespace();
    this.pods.set(hostInterface, namespace);
    silence(namespace);
    const wiring: Wiring = {
      ...{ hostInterface, interfaceName: "eth0", netns: namespace.path, addresses, mtu: 1500 },
      ...{ allowIpForwarding: false, includeDefaultRoutes: true, isFurther: false, routes: [] },
    };
    using node = disposable(openNetlink(this.namespace.path));
    using pod = disposable(openNetlink(namespace.path));
    const names = { name: hostInterface, peerName: "eth0", peerNetns: namespace.path };
    await node.netlink.createVeth({ ...names, mac: hostMac, mtu: wiring.mtu });
    writeSettings(this.namespace.path, hostSettings(wiring));
    writeSettings(namespace.path, podSettings(wiring));
    await node.netlink.setLink(hostInterface, { up: true });
    await pod.netlink.setLink("eth0", { up: true });
    const linkIndex = (await pod.netlink.link("eth0"))?.index ?? 0;
    for (const ip of addresses) await pod.netlink.addAddress(linkIndex, { ip, prefixLength: bitsOf(versionOf(ip)) });
    for (const { destination, gateway } of podRoutes(wiring)) {
      const via = gateway === undefined ? { scope: "link" as const } : { gateway };
      await pod.netlink.replaceRoutes([{ destination, linkIndex, ...via }]);
    }
  }
}

// --- internal ---

const forwarding = ["ipv4/ip_forward", "ipv6/conf/all/forwarding", "netfilter/nf_conntrack_tcp_be_liberal"];

/** What would make the kernel drop or answer by itself what policy is to judge. */
const unlimited = [
  ...["ipv4/conf/all/rp_filter", "ipv4/conf/default/rp_filter", "ipv4/conf/all/send_redirects"],
  // It takes UDP-Lite's for UDP's (udplite_error in nf_conntrack_proto_udp.c), and so every such packet for invalid.
  "netfilter/nf_conntrack_checksum",
];

/** On each link the other end has both. */
const worldGateways = { 4: "169.254.7.1", 6: "fe80::7" };

const protocolNames: Readonly<Record<number, string>> = { 6: "tcp", 17: "udp", 132: "sctp" };

function exchangeRule({ protocol, source, sourcePort, addressedTo, to }: Exchange): string {
  const port = (option: string, value: number | undefined) => (value === undefined ? "" : `--${option} ${value} `);
  const ports = `${port("sport", sourcePort)}${port("dport", addressedTo.port)}`;
  const target = versionOf(to.ip) === 4 ? `${to.ip}:${to.port}` : `[${to.ip}]:${to.port}`;
  const packet = `-p ${protocolNames[protocol]} -s ${source} -d ${addressedTo.ip} ${ports}`;
  return `-A KUBE-SERVICES ${packet}-j DNAT --to-destination ${target}`;
}

/** An echo would bear the number of what it answers. */
function silence({ path, ip }: TestNamespace): void {
  ip("link", "set", "lo", "up");
  writeSysctl(path, "ipv4/icmp_echo_ignore_all", 1);
  writeSysctl(path, "ipv6/icmp/echo_ignore_all", 1);
}

function writeSettings(netns: string, settings: readonly Setting[]): void {
  for (const { key, value } of settings) writeSysctl(netns, key, value);
}

function disposable<T extends { close(): void }>(netlink: T): Disposable & { readonly netlink: T } {
  return { netlink, [Symbol.dispose]: () => netlink.close() };
}
