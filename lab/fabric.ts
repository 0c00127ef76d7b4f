/**
 * The lab's network: a router with two racks, a control network and an outside network, each machine a network namespace.
 *
 *     client ── 172.18.9.0/24 ──┐
 *     control ─ 172.18.0.0/24 ──┤ router ├── rack1: 172.18.1.0/24 ── node-1, node-3 …
 *                               └────────┴── rack2: 172.18.2.0/24 ── node-2, node-4 …
 *
 * Nothing of it is in the machine's own network namespace.
 */
import { existsSync } from "node:fs";
import { controlAddress, type LabLayout, namespacesOf, outsideAddresses } from "./layout.ts";
import { run } from "./run.ts";

/** Makes all namespaces and links them. Throws when one cannot be made; what was made then is for `removeFabric`. */
export async function createFabric(layout: LabLayout): Promise<void> {
  for (const name of namespacesOf(layout)) await run(["ip", "netns", "add", name]);
  await run(["ip", "-n", layout.router, "-batch", "-"], { stdin: routerCommands(layout).join("\n") });
  // The nodes' own forwarding is the agent's to switch on.
  await inNamespace(layout.router, ["sysctl", "-q", "-w", "net.ipv4.ip_forward=1"]);
  await Promise.all(
    hostsOf(layout).map(async ({ netns, addresses, gateway }) => {
      const commands = [
        "link set lo up",
        ...addresses.map((address) => `addr add ${address}/24 dev eth0`),
        "link set eth0 up",
        `route add default via ${gateway}`,
      ];
      await run(["ip", "-n", netns, "-batch", "-"], { stdin: commands.join("\n") });
    }),
  );
}

/** Removes the namespaces, and with them every link. Those that are not there are no error. */
export async function removeFabric(layout: LabLayout): Promise<void> {
  for (const name of namespacesOf(layout)) {
    if (existsSync(`/run/netns/${name}`)) await run(["ip", "netns", "del", name]);
  }
}

/** What a program prints that runs in this network namespace. Rejects as `run` does. */
export function inNamespace(netns: string, argv: readonly string[], stdin?: string): Promise<string> {
  const options = stdin === undefined ? {} : { stdin };
  return run(["nsenter", `--net=/run/netns/${netns}`, "--", ...argv], options);
}

// --- internal ---

interface FabricHost {
  readonly netns: string;
  readonly addresses: readonly string[];
  readonly gateway: string;
  /** The name of its link in the router. */
  readonly port: string;
  readonly bridge: string | undefined;
}

function hostsOf(layout: LabLayout): readonly FabricHost[] {
  return [
    { netns: layout.control, addresses: [controlAddress], gateway: "172.18.0.1", port: "control", bridge: undefined },
    { netns: layout.client, addresses: outsideAddresses, gateway: "172.18.9.1", port: "client", bridge: undefined },
    ...layout.nodes.map((node) => ({
      ...node,
      addresses: [node.address],
      port: `to-${node.name}`,
      bridge: `rack${node.rack}`,
    })),
  ];
}

function routerCommands(layout: LabLayout): readonly string[] {
  const racks = [1, 2].flatMap((rack) => [
    `link add rack${rack} type bridge`,
    `addr add 172.18.${rack}.1/24 dev rack${rack}`,
    `link set rack${rack} up`,
  ]);
  const ports = hostsOf(layout).flatMap(({ netns, gateway, port, bridge }) => [
    `link add ${port} type veth peer name eth0 netns ${netns}`,
    bridge === undefined ? `addr add ${gateway}/24 dev ${port}` : `link set ${port} master ${bridge}`,
    `link set ${port} up`,
  ]);
  return ["link set lo up", ...racks, ...ports];
}
