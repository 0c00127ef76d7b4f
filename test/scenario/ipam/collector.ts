import { isReserve } from "../../../src/api/ipam-block.ts";
import type { NodeName } from "../../../src/api/names.ts";
import type { AddressRelease, Reclaimer } from "../../../src/ipam/reclaimer.ts";
import type { IpamStore } from "../../../src/ipam/store.ts";
import { StoreReclaimer } from "../../../src/ipam/store-reclaimer.ts";
import { slotsOf } from "./block-rules.ts";
import type { Kubelets } from "./kubelets.ts";
import { LostError } from "./network.ts";
import { isOfReserve } from "./node-disk.ts";
import type { Collection } from "./operations.ts";
import type { World } from "./world.ts";

/**
 * Takes back what nobody has, as boldly as is allowed: it looks at old lists, waits, asks once who is still there, and
 * acts on that however long ago it was.
 */
export class Collector {
  readonly #world: World;
  readonly #kubelets: Kubelets;
  #kill: (() => void) | undefined;

  constructor(world: World, kubelets: Kubelets) {
    this.#world = world;
    this.#kubelets = kubelets;
  }

  /** Begins a pass, unless one is under way. */
  start(what: Collection): void {
    if (this.#kill !== undefined) return;
    const caller = { name: `collector of ${what}`, kill: () => this.kill() };
    this.#kill = () => this.#world.schedule.forget(caller);
    const store = this.#world.network.storeOf(caller);
    void this.#pass(what, store, new StoreReclaimer({ store, clock: this.#world.schedule.clock(caller) }));
  }

  kill(): void {
    this.#kill?.();
    this.#kill = undefined;
  }

  async #pass(what: Collection, store: IpamStore, reclaimer: Reclaimer): Promise<void> {
    try {
      if (what === "addresses") await this.#addresses(store, reclaimer);
      else if (what === "handles") await this.#handles(store, reclaimer);
      else await this.#blocks(store, reclaimer, what === "used blocks");
    } catch (error) {
      if (!(error instanceof LostError)) this.#world.breach(`the collector of ${what} fails: ${error}`, error);
    }
    this.#kill = undefined;
  }

  async #addresses(store: IpamStore, reclaimer: Reclaimer): Promise<void> {
    const listed = await store.blocks.list();
    const { ledger } = this.#world;
    const releases = listed.flatMap(({ value }) =>
      slotsOf(value).flatMap(({ ip, state, handle, sequenceNumber }): AddressRelease[] => {
        const gone = isReserve({ handle_id: handle })
          ? this.#kubelets.isGone(reserverOf(handle))
          : handle === undefined || ["absent", "lost", "going"].includes(ledger.phaseOf(handle));
        return state === "held" && gone ? [{ ip, handle, sequenceNumber, why: "pod gone" }] : [];
      }),
    );
    if (releases.length > 0) await reclaimer.releaseAddresses(releases);
    for (const { value } of listed) await reclaimer.endCooldowns(value.spec.cidr);
  }

  async #handles(store: IpamStore, reclaimer: Reclaimer): Promise<void> {
    const recorded = (await store.handles.list()).map(({ value }) => value.spec.handleID);
    const slots = (await store.blocks.list()).flatMap(({ value }) => slotsOf(value));
    const holding = slots.flatMap((slot) => (slot.state === "held" && !isOfReserve(slot) ? (slot.handle ?? []) : []));
    await reclaimer.repairHandles([...new Set([...recorded, ...holding])]);
  }

  async #blocks(store: IpamStore, reclaimer: Reclaimer, evenIfUsed: boolean): Promise<void> {
    const claims = (await store.affinities.list()).map(({ value: { spec } }) => ({ cidr: spec.cidr, node: spec.node }));
    const blocks = (await store.blocks.list()).map(({ value: { spec } }) => spec);
    // A block may be a node's that has no claim on it any more.
    const owned = blocks.flatMap(({ cidr, affinity }) =>
      affinity === undefined ? [] : [{ cidr, node: affinity.replace("host:", "") }],
    );
    for (const { cidr, node } of [...claims, ...owned]) {
      const name = node as NodeName;
      await reclaimer.releaseBlock({ cidr, node: name, evenIfUsed: evenIfUsed || this.#kubelets.isGone(name) });
    }
    for (const { cidr, affinity } of blocks) if (affinity === undefined) await reclaimer.deleteOrphan(cidr);
  }
}

// --- internal ---

function reserverOf(handle = ""): NodeName {
  return handle.slice(handle.indexOf(":") + 1) as NodeName;
}
