import { addressAnnotations, annotatedAddress } from "../../api/node-addresses.ts";
import type { Node } from "../../api/objects.ts";
import { compareText } from "../../net/compare-text.ts";
import { type Ip, type IpVersion, versionOf } from "../../net/ip.ts";
import type { RejectedObject } from "./bird-config.ts";
import { addressFault } from "./speaking-address.ts";

/**
 * A node's BGP address in one family: its annotation's, else its first InternalIP of that family. A node that says its address in
 * the other family alone has none in this one. An annotation that cannot be read counts as absent, as do addresses that no
 * router can speak by (`addressFault`), for every node alike. An object is read once: every plan asks for all nodes' addresses.
 */
export function addressOf(node: AddressedNode, version: IpVersion): Ip | undefined {
  let found = known.get(node);
  if (found === undefined) {
    found = { 4: findAddress(node, 4), 6: findAddress(node, 6) };
    known.set(node, found);
  }
  return found[version];
}

/** The nodes by the addresses of their BGP: of several with one address the first by name, as in sessions. */
export function nodesByAddress(nodes: Iterable<Node>): ReadonlyMap<Ip, Node> {
  const found = new Map<Ip, Node>();
  for (const node of nodes) {
    for (const version of [4, 6] as const) {
      const ip = addressOf(node, version);
      const holder = ip && found.get(ip);
      if (ip !== undefined && (holder === undefined || compareText(node.name, holder.name) < 0)) found.set(ip, node);
    }
  }
  return found;
}

/** Says so when a node's address annotation cannot be read. */
export function rejectedAddresses(node: Node): readonly RejectedObject[] {
  return ([4, 6] as const).flatMap((version) => {
    const text = node.annotations[addressAnnotations[version]];
    if (text === undefined || text === "" || annotated(node, version) !== undefined) return [];
    const ip = addressOf(node, version);
    const instead = ip === undefined ? "the node has none in that family" : `its InternalIP ${ip} is used`;
    const said = `${addressAnnotations[version]}=${JSON.stringify(text)}`;
    const reason = `Cannot read annotation ${said} as an IPv${version} address to peer by, with or without a length: ${instead}`;
    return [{ kind: "Node", name: node.name, reason }];
  });
}

// --- internal ---

type AddressedNode = Pick<Node, "annotations" | "internalIps">;

const known = new WeakMap<AddressedNode, Readonly<Record<IpVersion, Ip | undefined>>>();

function findAddress(node: AddressedNode, version: IpVersion): Ip | undefined {
  const said = annotated(node, version);
  const isSilent = !node.annotations[addressAnnotations[version]];
  if (said !== undefined || (isSilent && annotated(node, version === 4 ? 6 : 4) !== undefined)) return said;
  return node.internalIps.find((ip) => versionOf(ip) === version && addressFault(ip) === undefined);
}

function annotated(node: Pick<Node, "annotations">, version: IpVersion): Ip | undefined {
  const ip = annotatedAddress(node, version);
  return ip !== undefined && addressFault(ip) === undefined ? ip : undefined;
}
