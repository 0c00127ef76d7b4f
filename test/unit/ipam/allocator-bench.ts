import type { IpPool } from "../../../src/api/ip-pool.ts";
import { parseIpReservation } from "../../../src/api/ip-reservation.ts";
import type { IpamBlock } from "../../../src/api/ipam-block.ts";
import type { NodeName } from "../../../src/api/names.ts";
import { Allocator } from "../../../src/ipam/allocator.ts";
import type { Clock } from "../../../src/net/clock.ts";
import { FakeCluster, FakeIpamStore, type Fault } from "../../fakes/ipam-store.ts";
import { instantClock, node, pool } from "./samples.ts";

/** A cluster in memory, and allocators that work on it. */
export class AllocatorBench {
  readonly cluster = new FakeCluster();
  /** What allocators without a fault of their own have asked of the store. */
  readonly calls: string[] = [];

  /** A new agent's allocator: it remembers nothing. */
  allocator(of: NodeName = node, fault?: Fault, clock: Clock = instantClock): Allocator {
    const logged: Fault = async (call) => {
      this.calls.push(call);
      return {};
    };
    return new Allocator({ store: new FakeIpamStore(this.cluster, fault ?? logged), node: of, clock });
  }

  /** One pool of 16 addresses in blocks of 8, if not otherwise said. */
  pools(...some: readonly IpPool[]): void {
    this.cluster.pools = some.length > 0 ? some : [pool("small", { cidr: "10.0.0.0/28", blockSize: 29 })];
  }

  /** Somebody else writes every block. */
  changeBlocks(change: (block: IpamBlock) => IpamBlock): void {
    for (const [cidr, { value }] of this.cluster.blocks) {
      this.cluster.blocks.set(cidr, { value: change(value), revision: this.cluster.nextRevision() });
    }
  }

  /** One IPReservation, called `kept`, of these networks. */
  reserve(...reservedCIDRs: readonly string[]): void {
    this.cluster.reservations = [parseIpReservation({ metadata: { name: "kept" }, spec: { reservedCIDRs } })];
  }

  /** The handle of each attribute in a block. */
  held(): readonly string[] {
    return [...this.cluster.blocks.values()].flatMap(({ value }) =>
      value.spec.attributes.map((attribute) => attribute.handle_id ?? ""),
    );
  }

  writes(): readonly string[] {
    return this.calls.filter((call) => /put|remove/.test(call));
  }
}

/** So many handles. */
export function many(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `pod-${index}`);
}
