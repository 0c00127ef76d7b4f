import type { EndpointSlice, NamedPort } from "../../api/objects.ts";
import { type Cidr, cidrVersion, firstIp, prefixLength } from "../../net/cidr.ts";
import { bitsOf, type Ip } from "../../net/ip.ts";
import type { SelectedAddresses, SelectedPorts, ServiceMembers } from "./compiled-policy.ts";
import type { PortMember } from "./plan.ts";
import type { SetOwner } from "./set-owner.ts";

/** A member of any kind of set. */
export type SetMember = Ip | Cidr | PortMember;

/** What an owner that the set's selector matches brings it, each once. */
export function membersOf(source: SelectedAddresses | SelectedPorts, owner: SetOwner): readonly SetMember[] {
  const ips = addressesOf(owner);
  if (source.kind === "ports") return portMembers(ips, portsOf(owner).filter(isOf(source)));
  return owner.kind === "networkSet" || owner.kind === "globalNetworkSet" ? networks(owner.object.spec.nets) : ips;
}

/** What the slice brings to a set of its Service, each once: of every endpoint, ready or not, as upstream. */
export function sliceMembers({ kind }: ServiceMembers, { addresses, ports }: EndpointSlice): readonly SetMember[] {
  return kind === "service-ports" ? portMembers(addresses, ports) : once(addresses);
}

// --- internal ---

function addressesOf(owner: SetOwner): readonly Ip[] {
  if (owner.kind === "pod") return owner.addresses();
  return owner.kind === "hostEndpoint" ? once(owner.object.spec.expectedIPs) : [];
}

function portsOf(owner: SetOwner): readonly NamedPort[] {
  if (owner.kind === "pod") return owner.object.namedPorts;
  return owner.kind === "hostEndpoint" ? owner.object.spec.ports : [];
}

function isOf({ portName, protocol }: SelectedPorts): (port: NamedPort) => boolean {
  return (port) => port.name === portName && (protocol === undefined || port.protocol === protocol);
}

function portMembers(ips: readonly Ip[], ports: readonly Omit<NamedPort, "name">[]): readonly PortMember[] {
  return once(ips.flatMap((ip) => ports.map(({ protocol, port }) => `${ip},${protocol}:${port}` as PortMember)));
}

/** A network of one address is that address: a kernel's set knows no difference. */
function networks(nets: readonly Cidr[]): readonly (Ip | Cidr)[] {
  return once(nets.map((net) => (prefixLength(net) === bitsOf(cidrVersion(net)) ? firstIp(net) : net)));
}

function once<T>(members: readonly T[]): readonly T[] {
  return members.length < 2 ? members : [...new Set(members)];
}
