import type { IpamHandle } from "../api/ipam-handle.ts";
import { handleRecord, matchRecord, sameHoldings } from "./handle-records.ts";
import type { AssignedAddress } from "./ipam.ts";
import type { Outcome } from "./outcomes.ts";
import type { IpamStore, Stored } from "./store.ts";

/** Does what nobody waits for, one piece of work a key, when it suits; what fails is tried again. */
export interface LateWork {
  /** The work for this key; it takes the place of what has not begun. */
  put(key: string, work: () => Promise<void>): void;
  /** Takes back what has not begun; resolves once what has begun has ended. Undefined when there is nothing of the kind. */
  drop(key: string): Promise<void> | undefined;
}

/**
 * The records of handles, and what is known of them. The blocks are the truth, so that of a handle whose addresses lie in blocks
 * that every agent of this node reads may come late: until then it is missing as after a crash, and nothing is lost by it.
 */
export class RecordKeeper {
  readonly #store: IpamStore;
  readonly #late: LateWork | undefined;
  readonly #known = new Map<string, Stored<IpamHandle>>();

  /** Without `late` every record is written before its address is answered. */
  constructor(store: IpamStore, late: LateWork | undefined) {
    this.#store = store;
    this.#late = late;
  }

  /** Whether records may come late. */
  get areLate(): boolean {
    return this.#late !== undefined;
  }

  get(handle: string): Stored<IpamHandle> | undefined {
    return this.#known.get(handle);
  }

  /** To be called as each task of a handle begins: nothing is then written late any more, once what it answers has resolved. */
  settle(handle: string): Promise<void> | undefined {
    return this.#late?.drop(handle);
  }

  /** What the store has now; rejects as it does. */
  read(handle: string): Promise<Stored<IpamHandle> | undefined> {
    return this.#store.handles.get(handle);
  }

  /** `record` is what stands there; undefined: none. */
  remember(handle: string, record: Stored<IpamHandle> | undefined): void {
    if (record === undefined) this.#known.delete(handle);
    else this.#known.set(handle, record);
  }

  /** Whether the record says already that the handle holds these. */
  isRight(handle: string, holdings: readonly AssignedAddress[]): boolean {
    const known = this.#known.get(handle);
    return known !== undefined && sameHoldings(known.value, handleRecord(handle, holdings));
  }

  /** Makes the record say so. Rejects as the store does. */
  async write(handle: string, holdings: readonly AssignedAddress[]): Promise<Outcome> {
    const known = this.#known.get(handle);
    const record = handleRecord(handle, holdings);
    const value = known === undefined ? record : { ...known.value, spec: record.spec };
    const written = await this.#store.handles.put(handle, value, known?.revision);
    if (written === "conflict") return "conflict";
    this.#known.set(handle, written);
    return "stored";
  }

  /** The same when it suits. Throws when records may not come late. */
  writeLate(handle: string, holdings: readonly AssignedAddress[]): void {
    if (this.#late === undefined)
      throw new Error(`Cannot write the record of ${handle} later: nothing is there to do it`);
    if (this.isRight(handle, holdings)) return;
    this.#late.put(handle, async () => {
      if ((await this.write(handle, holdings)) === "stored") return;
      const blocks = holdings.map(({ block }) => block);
      if ((await matchRecord(this.#store, handle, blocks)) === "matched") return;
      throw new Error(`Cannot write the record of ${handle}: others write it at the same time`);
    });
  }

  /** Removes it; one that is not known is nothing to remove. Rejects as the store does. */
  async remove(handle: string): Promise<"removed" | "conflict"> {
    const record = this.#known.get(handle);
    this.#known.delete(handle);
    return record === undefined ? "removed" : this.#store.handles.remove(handle, record.revision);
  }
}
