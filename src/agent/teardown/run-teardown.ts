import { connect } from "node:net";
import { resolveSettings } from "../../felix/config/resolve-settings.ts";
import { systemClock } from "../../host/clock.ts";
import { LinuxHost } from "../../host/linux-host.ts";
import { openNftables } from "../../host/netlink/nftables-netlink.ts";
import { openNetlink } from "../../host/netlink/route-netlink.ts";
import { openSetNetlink } from "../../host/netlink/set-netlink.ts";
import { openTrafficControl } from "../../host/netlink/traffic-netlink.ts";
import { workloadInterfacePrefix } from "../../net/workload-interface-prefix.ts";
import { defaultPaths } from "../paths.ts";
import { felixFile } from "../settings/settings-follower.ts";
import { teardown } from "./teardown.ts";

/**
 * `teardown` on this node, as `tell` is told. Answers the code to exit with: 1 when something of ours could not be removed.
 * Rejects when an agent runs on the node, which would put all of it back.
 */
export async function runTeardown(
  tell: (line: string) => void,
  { cniSocket }: { readonly cniSocket: string } = defaultPaths,
): Promise<0 | 1> {
  if (await isServed(cniSocket)) {
    const advice = "End it first, e.g. by deleting its DaemonSet, and then tear down";
    throw new Error(`Cannot tear down: an agent runs on this node, as its socket ${cniSocket} answers. ${advice}`);
  }
  const netlink = openNetlink();
  const sets = openSetNetlink();
  const nftables = openNftables();
  const trafficControl = openTrafficControl();
  try {
    const host = new LinuxHost();
    // What only the API server knows is not asked for: it may be gone for good.
    const { settings } = resolveSettings({
      environment: process.env,
      file: await host.readFile(felixFile),
      objects: {},
    });
    const routeProtocol = settings.deviceRouteProtocol;
    const kernel = { netlink, sets, nftables, trafficControl, interfacePrefix: workloadInterfacePrefix, routeProtocol };
    const failures = await teardown({ ...kernel, host, clock: systemClock, tell });
    tell(`routes of protocol ${routeProtocol} were looked for; FELIX_DEVICEROUTEPROTOCOL names another`);
    tell("pods' interfaces, addresses and sysctls stay as they are; BIRD and the CNI's files are not looked at");
    return failures === 0 ? 0 : 1;
  } finally {
    for (const one of [netlink, sets, nftables, trafficControl]) one.close();
  }
}

// --- internal ---

function isServed(socketPath: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT" || error.code === "ECONNREFUSED") resolve(false);
      else reject(new Error(`Cannot tell whether an agent serves ${socketPath}: ${error.message}`, { cause: error }));
    });
  });
}
