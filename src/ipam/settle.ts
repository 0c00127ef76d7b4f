/** What a request needs of the blocks, as values; nothing here writes. */
import type { IpPool } from "../api/ip-pool.ts";
import type { IpamBlock } from "../api/ipam-block.ts";
import type { IpamHandle } from "../api/ipam-handle.ts";
import type { NodeName } from "../api/names.ts";
import { type Cidr, cidrVersion } from "../net/cidr.ts";
import { type Ip, type IpVersion, versionOf } from "../net/ip.ts";
import { isLendable, isOwnedBy } from "./affinity.ts";
import { addressesOf, assignFromBlock, releaseFromBlock } from "./block.ts";
import type { AssignedAddress, AssignRequest } from "./ipam.ts";
import { handleName } from "./object-names.ts";
import { poolOfBlock } from "./pools.ts";

/** Blocks by CIDR. */
export type Blocks = ReadonlyMap<Cidr, IpamBlock>;

/** A request, for whom it is and what may serve it. */
export interface SettleOptions {
  readonly request: AssignRequest;
  readonly node: NodeName;
  readonly pools: Readonly<Record<IpVersion, readonly IpPool[]>>;
  /** Whether other nodes' blocks may serve once our own are full. */
  readonly borrow: boolean;
  /** The handle's record, when it is known; what it names is answered first. */
  readonly record: IpamHandle | undefined;
}

/** The handle has what it asked for, once the changed blocks are stored. */
export interface Settled {
  readonly kind: "settled";
  readonly changed: Blocks;
  readonly addresses: readonly AssignedAddress[];
}

/** These families have too few addresses; nothing is changed, also not for the other family. */
export interface Short {
  readonly kind: "short";
  readonly versions: readonly IpVersion[];
}

/** Gives the handle what it lacks. What it holds already counts, wherever that is. */
export function settle(blocks: Blocks, options: SettleOptions): Settled | Short {
  const working = new Map(blocks);
  const families = ([4, 6] as const).map((version) => ({ version, ...settleFamily(working, version, options) }));
  const short = families.filter((family) => family.missing > 0);
  if (short.length > 0) return { kind: "short", versions: short.map(({ version }) => version) };
  const changed = new Map([...working].filter(([cidr, block]) => blocks.get(cidr) !== block));
  return { kind: "settled", changed, addresses: families.flatMap(({ addresses }) => addresses) };
}

/** The blocks that change when the handle gives up everything, and the addresses that come free. */
export function settleRelease(
  blocks: Blocks,
  handle: string,
): { readonly changed: Blocks; readonly ips: readonly Ip[] } {
  const changes = [...blocks.values()].map((block) => releaseFromBlock(block, handle));
  const real = changes.filter(({ ips }) => ips.length > 0);
  return {
    changed: new Map(real.map(({ block }) => [block.spec.cidr, block])),
    ips: real.flatMap(({ ips }) => ips),
  };
}

/** Everything that the handle holds in these blocks. */
export function holdingsOf(blocks: Blocks, handle: string): readonly AssignedAddress[] {
  return [...blocks].flatMap(([block, value]) => addressesOf(value, handle).map((ip) => ({ ip, block })));
}

/** The record of a handle that holds `holdings`. */
export function handleRecord(handle: string, holdings: readonly AssignedAddress[]): IpamHandle {
  const block: Record<string, number> = {};
  for (const { block: cidr } of holdings) block[cidr] = (block[cidr] ?? 0) + 1;
  return {
    metadata: { name: handleName(handle), labels: {}, annotations: {} },
    spec: { handleID: handle, block, deleted: false },
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

// --- internal ---

/** Takes from `working` until the family is served, and writes the changed blocks back into it. */
function settleFamily(working: Map<Cidr, IpamBlock>, version: IpVersion, options: SettleOptions) {
  const { request, record } = options;
  const count = version === 4 ? request.v4 : request.v6;
  const addresses = holdingsOf(working, request.handle)
    .filter(({ ip }) => versionOf(ip) === version)
    .toSorted((a, b) => Number(isRecorded(record, b)) - Number(isRecorded(record, a)))
    .slice(0, count);
  for (const [cidr, block] of candidates(working, version, options)) {
    const wanted = count - addresses.length;
    if (wanted === 0) break;
    const change = assignFromBlock(block, { ...request, count: wanted });
    working.set(cidr, change.block);
    addresses.push(...change.ips.map((ip) => ({ ip, block: cidr })));
  }
  return { addresses, missing: count - addresses.length };
}

function candidates(
  blocks: Blocks,
  version: IpVersion,
  options: SettleOptions,
): readonly (readonly [Cidr, IpamBlock])[] {
  const usable = [...blocks].filter(
    ([cidr]) => cidrVersion(cidr) === version && poolOfBlock(options.pools[version], cidr) !== undefined,
  );
  const own = usable.filter(([, block]) => isOwnedBy(block, options.node));
  return options.borrow ? [...own, ...usable.filter(([, block]) => isLendable(block, options.node))] : own;
}

function isRecorded(record: IpamHandle | undefined, { block }: AssignedAddress): boolean {
  return record !== undefined && Object.hasOwn(record.spec.block, block);
}
