import type { NodeName } from "../../api/names.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import { type Cidr, cidrVersion } from "../../net/cidr.ts";
import type { IpVersion } from "../../net/ip.ts";
import { type Community, parseCommunity } from "./community.ts";

/**
 * `prefixAdvertisements`, in order: those of the node's own BGPConfiguration, if it has any, else those of `default`. A name
 * stands for a community of the same object (as upstream); one that is nowhere is left out, and BGPConfiguration's own check tells of it.
 */
export function prefixCommunities(
  configurations: Snapshot["bgpConfiguration"],
  node: NodeName,
  version: IpVersion,
): readonly { readonly cidr: Cidr; readonly communities: readonly Community[] }[] {
  const own = configurations.get(`node.${node}`)?.spec;
  const spec = own?.prefixAdvertisements === undefined ? configurations.get("default")?.spec : own;
  const values = new Map((spec?.communities ?? []).map(({ name, value }) => [name, value]));
  return (spec?.prefixAdvertisements ?? [])
    .filter(({ cidr }) => cidrVersion(cidr) === version)
    .map(({ cidr, communities }) => ({
      cidr,
      communities: [
        ...new Set(communities.map((text) => (parseCommunity(text) ? text : (values.get(text) ?? "")))),
      ].flatMap((text) => {
        const community = parseCommunity(text);
        return community === undefined ? [] : [community];
      }),
    }))
    .filter(({ communities }) => communities.length > 0);
}
