/** Handles' records brought in line with the blocks, which are the truth. */
import { hasRecord, type IpamBlock } from "../api/ipam-block.ts";
import type { IpamHandle } from "../api/ipam-handle.ts";
import type { Cidr } from "../net/cidr.ts";
import { addressesOf } from "./block.ts";
import type { AssignedAddress } from "./ipam.ts";
import { handleName } from "./object-names.ts";
import type { IpamStore, Stored } from "./store.ts";

/** The record of a handle that holds `holdings`. */
export function handleRecord(handle: string, holdings: readonly AssignedAddress[]): IpamHandle {
  const counts = new Map<Cidr, number>();
  for (const { block } of holdings) counts.set(block, (counts.get(block) ?? 0) + 1);
  return {
    metadata: { name: handleName(handle), labels: {}, annotations: {} },
    spec: { handleID: handle, block: Object.fromEntries(counts), deleted: false },
  };
}

/** True when two records say the same. */
export function sameHoldings(a: IpamHandle, b: IpamHandle): boolean {
  const cidrs = Object.keys(a.spec.block);
  return (
    cidrs.length === Object.keys(b.spec.block).length &&
    cidrs.every((cidr) => a.spec.block[cidr] === b.spec.block[cidr])
  );
}

/**
 * Makes a handle's record say what it holds in the blocks that the record names and in `others`; a record of nothing is
 * removed, and one that has none by its kind too. "conflict" when somebody changed the record meanwhile. Rejects as the store does.
 */
export async function matchRecord(
  store: IpamStore,
  handle: string,
  others: readonly Cidr[],
): Promise<"matched" | "conflict"> {
  // The record is read before the blocks, so that whoever changes both meanwhile makes our write fail.
  const record = await store.handles.get(handle);
  const cidrs = new Set([...(Object.keys(record?.value.spec.block ?? {}) as Cidr[]), ...others]);
  const blocks = await Promise.all([...cidrs].map((cidr) => store.blocks.get(cidr)));
  return putRecord(
    store,
    handle,
    record,
    blocks.flatMap((block) => block?.value ?? []),
  );
}

// --- internal ---

async function putRecord(
  store: IpamStore,
  handle: string,
  record: Stored<IpamHandle> | undefined,
  blocks: readonly IpamBlock[],
): Promise<"matched" | "conflict"> {
  const recorded = hasRecord(handle) ? blocks : [];
  const holdings = recorded.flatMap((block) =>
    addressesOf(block, handle).map((ip) => ({ ip, block: block.spec.cidr })),
  );
  const right = handleRecord(handle, holdings);
  const isNothing = holdings.length === 0;
  if (record === undefined) {
    if (isNothing) return "matched";
    return (await store.handles.put(handle, right, undefined)) === "conflict" ? "conflict" : "matched";
  }
  if (isNothing) return (await store.handles.remove(handle, record.revision)) === "conflict" ? "conflict" : "matched";
  if (sameHoldings(record.value, right)) return "matched";
  const value = { ...record.value, spec: right.spec };
  return (await store.handles.put(handle, value, record.revision)) === "conflict" ? "conflict" : "matched";
}
