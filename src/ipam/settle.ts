/** What a request needs of the blocks, as values; nothing here writes. */
import type { IpPool } from "../api/ip-pool.ts";
import type { IpamBlock } from "../api/ipam-block.ts";
import type { IpamHandle } from "../api/ipam-handle.ts";
import { type Cidr, cidrVersion } from "../net/cidr.ts";
import { type Ip, type IpVersion, versionOf } from "../net/ip.ts";
import { isLendable, isOwnedBy } from "./affinity.ts";
import { addressesOf, assignFromBlock } from "./block.ts";
import { type ReleaseCause, releaseFromBlock } from "./block-release.ts";
import type { AssignedAddress, AssignRequest } from "./ipam.ts";
import type { NodeContext } from "./node-context.ts";
import { poolOfBlock } from "./pools.ts";
import { type Refused, settleAddress, type Unplaced } from "./settle-address.ts";

/** Blocks by CIDR. */
export type Blocks = ReadonlyMap<Cidr, IpamBlock>;

/** Blocks, and those of them that count for what is held there only: nothing is given from them. */
export interface BlockView {
  readonly blocks: Blocks;
  readonly closed: ReadonlySet<Cidr>;
}

/** A request, for whom it is and what may serve it. */
export interface SettleOptions {
  readonly request: AssignRequest;
  readonly context: NodeContext;
  /** As in `BlockView`. */
  readonly closed: ReadonlySet<Cidr>;
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
export function settle(blocks: Blocks, options: SettleOptions): Settled | Short | Unplaced | Refused {
  const working = new Map(blocks);
  const fixed: AssignedAddress[] = [];
  for (const ip of new Set(options.request.addresses)) {
    const placed = settleAddress(working, ip, options);
    if (placed.kind !== "placed") return placed;
    working.set(placed.address.block, placed.block);
    fixed.push(placed.address);
  }
  const asked = new Set(fixed.map(({ ip }) => ip));
  const families = ([4, 6] as const).map((version) => ({
    version,
    ...settleFamily(working, { ...options, version, asked }),
  }));
  const short = families.filter((family) => family.missing > 0);
  if (short.length > 0) return { kind: "short", versions: short.map(({ version }) => version) };
  const changed = new Map([...working].filter(([cidr, block]) => blocks.get(cidr) !== block));
  return { kind: "settled", changed, addresses: [...fixed, ...families.flatMap(({ addresses }) => addresses)] };
}

/** The blocks that change when the handle gives up everything, and the addresses that come free. */
export function settleRelease(
  blocks: Blocks,
  handle: string,
  cause: ReleaseCause,
): { readonly changed: Blocks; readonly ips: readonly Ip[] } {
  const changes = [...blocks.values()].map((block) => releaseFromBlock(block, handle, cause));
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

// --- internal ---

interface FamilyOptions extends SettleOptions {
  readonly version: IpVersion;
  /** The addresses that were asked for, which do not count again. */
  readonly asked: ReadonlySet<Ip>;
}

/** Takes from `working` until the family is served, and writes the changed blocks back into it. */
function settleFamily(working: Map<Cidr, IpamBlock>, options: FamilyOptions) {
  const { request, record, version, asked, context } = options;
  const count = version === 4 ? request.v4 : request.v6;
  if (count === 0) return { addresses: [], missing: 0 };
  const addresses = holdingsOf(working, request.handle)
    .filter(({ ip }) => versionOf(ip) === version && !asked.has(ip))
    .toSorted((a, b) => Number(isRecorded(record, b)) - Number(isRecorded(record, a)))
    .slice(0, count);
  if (addresses.length === count) return { addresses, missing: 0 };
  for (const [cidr, block] of candidates(working, options)) {
    const wanted = count - addresses.length;
    if (wanted === 0) break;
    const isReserved = context.reservations.ofBlock(cidr)?.isReserved;
    const change = assignFromBlock(block, { ...request, count: wanted, isReserved });
    working.set(cidr, change.block);
    addresses.push(...change.ips.map((ip) => ({ ip, block: cidr })));
  }
  return { addresses, missing: count - addresses.length };
}

function candidates(
  blocks: Blocks,
  { pools, version, context, borrow, closed }: FamilyOptions,
): readonly (readonly [Cidr, IpamBlock])[] {
  const { node } = context;
  const usable = [...blocks].filter(
    ([cidr]) => cidrVersion(cidr) === version && !closed.has(cidr) && poolOfBlock(pools[version], cidr) !== undefined,
  );
  const own = usable.filter(([, block]) => isOwnedBy(block, node));
  return borrow ? [...own, ...usable.filter(([, block]) => isLendable(block, node))] : own;
}

function isRecorded(record: IpamHandle | undefined, { block }: AssignedAddress): boolean {
  return record !== undefined && Object.hasOwn(record.spec.block, block);
}
