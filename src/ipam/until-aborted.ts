import type { IpamStore, RecordStore } from "./store.ts";

/** The store until `signal` aborts: from then on no call reaches it, and each rejects with the signal's reason. */
export function untilAborted(store: IpamStore, signal: AbortSignal | undefined): IpamStore {
  if (signal === undefined) return store;
  const guard =
    <A extends readonly unknown[], R>(call: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      signal.throwIfAborted();
      return call(...args);
    };
  const guardRecords = <K, T>(records: RecordStore<K, T>): RecordStore<K, T> => ({
    get: guard((...args) => records.get(...args)),
    list: guard((...args) => records.list(...args)),
    put: guard((...args) => records.put(...args)),
    remove: guard((...args) => records.remove(...args)),
  });
  return {
    blocks: guardRecords(store.blocks),
    affinities: guardRecords(store.affinities),
    handles: guardRecords(store.handles),
    affinitiesOf: guard((...args) => store.affinitiesOf(...args)),
    blockNetworks: guard(() => store.blockNetworks()),
    configuration: guard(() => store.configuration()),
    pools: guard(() => store.pools()),
    reservations: guard(() => store.reservations()),
    node: guard((...args) => store.node(...args)),
  };
}
