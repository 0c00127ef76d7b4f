import type { Cidr } from "../../net/cidr.ts";
import { cidrVersion } from "../../net/cidr.ts";
import type { IpVersion } from "../../net/ip.ts";
import type { BgpInputs } from "./bgp-inputs.ts";
import { inOrder } from "./cidr-order.ts";
import { announced, exclusionLabel, serviceAddresses } from "./service-addresses.ts";
import { allServiceNetworks, isSingle, serviceNetworks } from "./service-networks.ts";

/** Of one family. */
export interface PlannedServices {
  /** Networks announced whole, and single addresses that this node can deliver to. */
  readonly announced: readonly Cidr[];
  /** Every network of Services' addresses: what arrives inside them by BGP is never written to the kernel, on no node. */
  readonly ranges: readonly Cidr[];
}

/**
 * What a node announces of Services, by family. Networks go out whole from every node, single addresses (`serviceAddresses`)
 * from those that can deliver now. A node that carries the exclusion label, or has withdrawn its Services, announces none.
 */
export function planServices(
  inputs: Pick<BgpInputs, "snapshot" | "node" | "deliverable" | "withdrawn">,
): Readonly<Record<IpVersion, PlannedServices>> {
  const { snapshot, node, deliverable, withdrawn = "nothing" } = inputs;
  const networks = serviceNetworks(snapshot.bgpConfiguration);
  const isSilent = withdrawn !== "nothing" || snapshot.node.get(node)?.labels[exclusionLabel] === "true";
  const { cluster, external, loadBalancer, aggregates } = networks;
  const whole = [...cluster, ...[...external, ...(aggregates ? loadBalancer : [])].filter((cidr) => !isSingle(cidr))];
  const single = isSilent
    ? []
    : serviceAddresses(snapshot, node)
        .map(announced)
        .filter((cidr) => deliverable.has(cidr));
  const services = isSilent ? [] : inOrder([...whole, ...single]);
  const ranges = inOrder(allServiceNetworks(networks));
  const of = (version: IpVersion): PlannedServices => ({
    announced: services.filter((cidr) => cidrVersion(cidr) === version),
    ranges: ranges.filter((cidr) => cidrVersion(cidr) === version),
  });
  return { 4: of(4), 6: of(6) };
}
