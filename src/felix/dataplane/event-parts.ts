import type { KernelEvent, NftablesChange } from "../../host/netlink/kernel-event.ts";
import type { DesiredState } from "../render/desired-state.ts";
import type { DriftPart } from "./dataplane.ts";
import type { LinkKeeper } from "./link-keeper.ts";

/** Where our rules are. */
export type RulesBackend = "iptables-nft" | "iptables-legacy" | "nftables";

/** Which of the changes in nf_tables may touch what is ours: the kernel tells of none in legacy iptables. */
export function touchesOurs(backend: RulesBackend): (change: NftablesChange) => boolean {
  if (backend === "iptables-legacy") return () => false;
  if (backend === "nftables") return ({ table }) => table === "calico";
  return ({ verb, version, table, what, name = "" }) => {
    if (version === undefined || !iptablesTables.has(table)) return false;
    if (name.startsWith("cali-")) return true;
    // Every iptables-restore of others makes table and hook chains that are there already.
    return (what === "table" || hookChains.has(name)) && (what === "rule" || verb === "gone");
  };
}

/** Which parts of what is ours the event may have changed. Changes of nf_tables are those that `touchesOurs` let through. */
export function partsOfEvent(
  event: KernelEvent,
  {
    state,
    links,
  }: { readonly state: DesiredState | undefined; readonly links: Pick<LinkKeeper, "concerns" | "isWorkload"> },
): readonly DriftPart[] {
  switch (event.kind) {
    case "overrun":
      return event.source === "route" ? ["links", "routes"] : ["rules", "sets"];
    case "link":
      // The kernel tells of no IPv4 route that goes with its link.
      return links.concerns(event) ? ["links", "routes"] : [];
    case "address":
      return [];
    case "route": {
      const { destination, linkIndex } = event.route;
      return state?.routes.has(destination) || links.isWorkload(linkIndex) ? ["routes"] : [];
    }
    case "nftables": {
      const kinds = event.changes.map(({ what }): DriftPart => (setKinds.has(what) ? "sets" : "rules"));
      return [...new Set(kinds)];
    }
  }
}

// --- internal ---

const iptablesTables: ReadonlySet<string> = new Set(["raw", "mangle", "nat", "filter"]);
const hookChains: ReadonlySet<string> = new Set(["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"]);
const setKinds: ReadonlySet<NftablesChange["what"]> = new Set(["set", "elements"]);
