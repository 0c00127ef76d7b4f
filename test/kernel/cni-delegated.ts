import { join } from "node:path";
import type { CniNode } from "./cni-node.ts";
import { container } from "./cni-test.ts";

/** The plugins of Debian's `containernetworking-plugins`. */
const plugins = "/usr/lib/cni";

/** What is a main plugin's own in a configuration. */
export interface MainPlugin {
  readonly type: string;
  readonly [setting: string]: unknown;
}

/** One that has a gateway on the node. */
export const bridge: MainPlugin = { type: "bridge", bridge: "br0", isDefaultGateway: true };

/** The configuration of the network `side` with this main plugin, with `changes` at its top level. */
export function delegatedConf(
  main: MainPlugin,
  changes: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  return { name: "side", cniVersion: "1.0.0", ...main, ipam: { type: "calico-ipam" }, ...changes };
}

/** What one call is about; the configuration is the bridge's when absent. */
export interface Wish {
  readonly container?: string;
  readonly interfaceName?: string;
  readonly netns?: string;
  readonly argument?: string;
  readonly conf?: Record<string, unknown>;
}

/** Runs the real main plugin on the node, as a runtime does. */
export function run(node: CniNode, verb: string, wish: Wish) {
  const conf = wish.conf ?? delegatedConf(bridge);
  return node.call({
    verb,
    container,
    ...wish,
    conf,
    within: node.netns,
    program: join(plugins, String(conf["type"])),
  });
}

/** Calls the IPAM plugin as a main plugin does. */
export function runIpam(node: CniNode, verb: string, wish: Wish) {
  const conf = wish.conf ?? delegatedConf({ type: "bridge" });
  return node.call({ verb, container, interfaceName: "net1", ...wish, conf, program: "calico-ipam" });
}

/** An address of an ADD's answer. */
export interface Ip {
  readonly address: string;
  readonly gateway?: string;
}

/** The addresses of an ADD's answer. */
export function ipsOf(reply: { readonly json: Record<string, unknown> }): readonly Ip[] {
  return (reply.json["ips"] ?? []) as readonly Ip[];
}

/** Without its mask. */
export function addressOf(ip: Ip | undefined): string {
  return String(ip?.address.split("/")[0]);
}

/** Addresses that containers hold: not those that are a network's own. */
export function heldByContainers(node: CniNode): readonly string[] {
  return node
    .allocations()
    .filter(({ attribute }) => /^side\./.test(String(attribute.handle_id)))
    .map(({ ip }) => ip);
}

/** The names of the node's lease files. */
export const leaseFiles = (node: CniNode) => node.dependencies.host.listFolder(join(node.folder, "leases"));
