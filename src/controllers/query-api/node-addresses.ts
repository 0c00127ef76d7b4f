import type { AddressUse } from "../../api/node-query.ts";
import { type Ip, ipToNumber, isIp, parseIp, versionOf } from "../../net/ip.ts";
import type { QueryResource } from "./query-resource.ts";
import { StatusError } from "./status.ts";

/** NodeAddresses: what a node uses; `?ip=…`, as often as wanted, asks for single addresses. */
export const nodeAddresses: QueryResource<readonly AddressUse[]> = {
  name: "nodeaddresses",
  kind: "NodeAddresses",
  columns: ["Address", "Kind", "Interface", "Namespace", "Pod"],
  ask: async (agents, node, { query, signal }) => {
    const ips = ipsIn(query);
    return (await agents.addressesInUse(node, ips, signal)).toSorted(byAddress);
  },
  fieldsOf: (addresses) => ({ addresses }),
  rowsOf: (addresses) => addresses.map((use) => [use.ip, use.kind, use.interface, use.namespace, use.pod ?? ""]),
};

// --- internal ---

function ipsIn(query: unknown): readonly Ip[] | undefined {
  const { ip } = query as { readonly ip?: string | readonly string[] };
  if (ip === undefined) return undefined;
  return [ip].flat().map((text) => {
    if (!isIp(text)) throw new StatusError(400, `Cannot read ip=${JSON.stringify(text)}: it is no IP address`);
    return parseIp(text);
  });
}

function byAddress(a: AddressUse, b: AddressUse): number {
  if (versionOf(a.ip) !== versionOf(b.ip)) return versionOf(a.ip) - versionOf(b.ip);
  const difference = ipToNumber(a.ip) - ipToNumber(b.ip);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}
