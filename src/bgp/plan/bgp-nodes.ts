import type { NodeName } from "../../api/names.ts";
import type { Node } from "../../api/objects.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import { compareText } from "../../net/compare-text.ts";
import { type Ip, type IpVersion, ipToNumber } from "../../net/ip.ts";
import { asNumberOf, rejectedAsNumber } from "./as-number.ts";
import { bgpPort, listenPortOf } from "./bgp-settings.ts";
import type { RejectedObject } from "./bird-config.ts";
import { addressOf, rejectedAddresses } from "./node-address.ts";
import { reflectorClusterOf, rejectedReflector } from "./reflector.ts";

/** A node as a BGP neighbour, from its Node and the BGPConfigurations. */
export interface BgpNode {
  readonly node: Node;
  readonly asNumber: number;
  /** The cluster that it reflects routes for. */
  readonly cluster: Ip | undefined;
  /** Where it listens; undefined: on BGP's own port. */
  readonly port: number | undefined;
}

/** One address of a node. */
export interface BgpNodeAddress {
  readonly of: BgpNode;
  readonly version: IpVersion;
  readonly ip: Ip;
}

/** All nodes, as one of them sees them. */
export interface BgpNodes {
  readonly self: BgpNode;
  /** Undefined in a family in which the node has none. */
  readonly own: Readonly<Record<IpVersion, Ip | undefined>>;
  /** The addresses of the other nodes, each once, in the order of their numbers. */
  readonly others: readonly BgpNodeAddress[];
  /** The same by address; the node's own are not among them. */
  readonly byAddress: ReadonlyMap<Ip, BgpNodeAddress>;
  /** What Nodes say that cannot be used, and those whose address another has. */
  readonly rejected: readonly RejectedObject[];
}

/** `common`: the AS of nodes that name none. */
export function bgpNodes(snapshot: Pick<Snapshot, "node" | "bgpConfiguration">, self: Node, common: number): BgpNodes {
  const ofNode = (node: Node): BgpNode => {
    const port = listenPortOf(snapshot, node.name);
    return {
      ...{ node, asNumber: asNumberOf(node, common), cluster: reflectorClusterOf(node) },
      port: port === bgpPort ? undefined : port,
    };
  };
  const nodes = [...snapshot.node.values()];
  const addresses = nodes.filter(({ name }) => name !== self.name).flatMap((node) => addressesOf(ofNode(node)));
  const own = { 4: addressOf(self, 4), 6: addressOf(self, 6) };
  const { byAddress, rejected } = each(addresses, own, self.name);
  return {
    ...{ self: ofNode(self), own, byAddress, others: [...byAddress.values()] },
    rejected: [
      ...nodes.flatMap((node) => rejectedOf(node, common)).sort((a, b) => compareText(a.name, b.name)),
      ...rejected,
    ],
  };
}

// --- internal ---

function addressesOf(of: BgpNode): readonly BgpNodeAddress[] {
  return ([4, 6] as const).flatMap((version) => {
    const ip = addressOf(of.node, version);
    return ip === undefined ? [] : [{ of, version, ip }];
  });
}

/** Each address once: of several nodes the first by name has it, and the node that looks before all others. */
function each(
  addresses: readonly BgpNodeAddress[],
  own: BgpNodes["own"],
  self: NodeName,
): { readonly byAddress: ReadonlyMap<Ip, BgpNodeAddress>; readonly rejected: readonly RejectedObject[] } {
  const byAddress = new Map<Ip, BgpNodeAddress>();
  const rejected: RejectedObject[] = [];
  for (const address of inOrder(addresses)) {
    const { ip, version, of } = address;
    const holder = own[version] === ip ? self : byAddress.get(ip)?.of.node.name;
    if (holder === undefined) byAddress.set(ip, address);
    else {
      const reason = `Cannot peer with ${ip}: node ${holder} has the same address; give each node an address of its own`;
      rejected.push({ kind: "Node", name: of.node.name, reason });
    }
  }
  return { byAddress, rejected };
}

function inOrder(addresses: readonly BgpNodeAddress[]): readonly BgpNodeAddress[] {
  const numbered = addresses.map((address) => ({ address, number: ipToNumber(address.ip) }));
  numbered.sort(({ address: a, number: x }, { address: b, number: y }) => {
    if (a.version !== b.version) return a.version - b.version;
    if (x !== y) return x < y ? -1 : 1;
    return compareText(a.of.node.name, b.of.node.name);
  });
  return numbered.map(({ address }) => address);
}

function rejectedOf(node: Node, common: number): readonly RejectedObject[] {
  return [rejectedAsNumber(node, common), rejectedReflector(node), ...rejectedAddresses(node)].filter(
    (one) => one !== undefined,
  );
}
