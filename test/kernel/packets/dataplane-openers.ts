import { Dataplane, type RulesDriver } from "../../../src/felix/dataplane/dataplane.ts";
import { IptablesRules } from "../../../src/felix/dataplane/iptables-rules.ts";
import { NftRules } from "../../../src/felix/dataplane/nft-rules.ts";
import { NetlinkQdiscDriver } from "../../../src/felix/dataplane/qdisc-driver.ts";
import { NetlinkRouteDriver } from "../../../src/felix/dataplane/route-driver.ts";
import { printTable } from "../../../src/felix/render/iptables.ts";
import { defaultRenderOptions, type RenderOptions } from "../../../src/felix/render/options.ts";
import type { Host } from "../../../src/host/host.ts";
import { openNftables } from "../../../src/host/netlink/nftables-netlink.ts";
import { openNetlink } from "../../../src/host/netlink/route-netlink.ts";
import { openSetNetlink } from "../../../src/host/netlink/set-netlink.ts";
import { openTrafficControl } from "../../../src/host/netlink/traffic-netlink.ts";

/** Opens the dataplane of the namespace that it is called in, which is also the host's. */
export type OpenDataplane = (host: Host) => Dataplane;

/** How the dataplane of each backend is opened. */
export const dataplaneOpeners: Readonly<Record<RenderOptions["backend"], OpenDataplane>> = {
  iptables: (host) => openWith(new IptablesRules({ host, sets: openSetNetlink(), print: printTable })),
  nftables: () => openWith(new NftRules(openNftables())),
};

// --- internal ---

function openWith(rules: RulesDriver): Dataplane {
  const { interfacePrefix } = defaultRenderOptions;
  const netlink = openNetlink();
  return new Dataplane({
    rules,
    routes: new NetlinkRouteDriver(netlink, interfacePrefix),
    shapings: new NetlinkQdiscDriver({
      ...{ netlink, trafficControl: openTrafficControl(), interfacePrefix },
      onRefused: (hostInterface, err) => {
        throw new Error(`Cannot shape ${hostInterface}`, { cause: err });
      },
    }),
  });
}
