import type { CniDependencies } from "../cni/dependencies.ts";
import { Dataplane } from "../felix/dataplane/dataplane.ts";
import { IptablesRules } from "../felix/dataplane/iptables-rules.ts";
import { NetlinkQdiscDriver } from "../felix/dataplane/qdisc-driver.ts";
import { NetlinkRouteDriver } from "../felix/dataplane/route-driver.ts";
import { printTable } from "../felix/render/iptables.ts";
import { defaultRenderOptions } from "../felix/render/options.ts";
import type { Host } from "../host/host.ts";
import { openNetlink } from "../host/netlink/route-netlink.ts";
import { openSetNetlink } from "../host/netlink/set-netlink.ts";
import { openTrafficControl } from "../host/netlink/traffic-netlink.ts";

/** The dataplane of this process's network namespace. Throws a `SystemError` when the kernel gives no netlink socket. */
export function openDataplane(host: Host, report: CniDependencies["report"]): Dataplane {
  const { interfacePrefix } = defaultRenderOptions;
  const netlink = openNetlink();
  return new Dataplane({
    rules: new IptablesRules({ host, sets: openSetNetlink(), print: printTable }),
    routes: new NetlinkRouteDriver(netlink, interfacePrefix),
    shapings: new NetlinkQdiscDriver({
      ...{ netlink, trafficControl: openTrafficControl(), interfacePrefix },
      onRefused: (hostInterface, err) =>
        report("warn", "cannot shape a pod's traffic as it asks", { interface: hostInterface, err }),
    }),
  });
}
