import { type IpamBlock, reserveHandle } from "../api/ipam-block.ts";
import type { NodeName } from "../api/names.ts";
import { type Cidr, cidrVersion } from "../net/cidr.ts";
import { type Ip, type IpVersion, versionOf } from "../net/ip.ts";
import { isOwnedBy } from "./affinity.ts";
import { addressesOf, allocationOf, assignAddress, assignFromBlock, isHeldAs, openOf } from "./block.ts";
import { giveBackUnused, handOver } from "./block-release.ts";
import { Demand } from "./demand.ts";
import { type AssignedAddress, type AssignRequest, anybody } from "./ipam.ts";
import { choicesOf, type NodeContext, type PoolChoices } from "./node-context.ts";
import { poolOfBlock } from "./pools.ts";
import { RefusedReturns } from "./refused-returns.ts";
import type { Owners, ReserveOptions } from "./reserve-options.ts";
import type { BlockView } from "./settle.ts";
import { withStraysSettled } from "./strays.ts";
import { type Given, type Held, isReservedIn, isRoomy, lossOf, type Tended, type TendOptions } from "./tending.ts";

/**
 * Addresses of the node's own blocks that stand in the store under a handle of the node's own, so that a pod gets one at once:
 *
 *     free ─▶ held, by a block write ─▶ given: from memory alone ─▶ named: by a later block write, that also takes new ones
 *
 * No other node can get what is held. On this node only the one process gives it that holds the node's lock, and only what it has
 * itself seen stored. What an earlier process held is the pod's that the node has written down, and else nobody's.
 */
export class Reserve {
  readonly handle: string;
  readonly #node: NodeName;
  readonly #options: ReserveOptions;
  readonly #ready = new Map<Ip, Held>();
  readonly #given = new Map<Ip, Given>();
  readonly #families = new Set<IpVersion>();
  readonly #refused = new RefusedReturns();
  /** The strays that were found to be written down as nobody's. */
  #nobodys: ReadonlySet<Ip> = new Set();
  readonly #demand = new Demand();
  #isClosed = false;
  /** When an address was asked for last, since 1970. */
  #askedMs = 0;

  constructor(node: NodeName, options: ReserveOptions) {
    this.handle = reserveHandle(node);
    this.#node = node;
    this.#options = options;
  }

  /** Whether something may be given. */
  get hasSome(): boolean {
    return this.#ready.size > 0;
  }

  /** Whether all that was given is named. */
  get isNamed(): boolean {
    return this.#given.size === 0;
  }

  /** The blocks of what is held. */
  get blocks(): ReadonlySet<Cidr> {
    return new Set(this.#ready.values().map(({ block }) => block));
  }

  /** Whether nothing is held, and all that was given is named. */
  get isIdle(): boolean {
    return !this.hasSome && this.isNamed;
  }

  /** Whether something was ever asked for that could come of it. */
  get isWanted(): boolean {
    return this.#families.size > 0;
  }

  /** Whether most of it has been given, and nothing was taken for it since. */
  get isLow(): boolean {
    const factor = this.#given.size + this.#ready.size > few ? 2 : 1;
    return this.#given.size > factor * this.#ready.size;
  }

  /** From now on nothing is held any more. */
  close(): void {
    this.#isClosed = true;
  }

  /** That addresses are asked for: such as may be named later, so some are held for the next. */
  noteAsked(request: AssignRequest, nowMs: number): void {
    this.#askedMs = nowMs;
    this.#demand.note(request, nowMs);
    if (request.v4 > 0) this.#families.add(4);
    if (request.v6 > 0) this.#families.add(6);
  }

  /**
   * Gives what the request asks for, and keeps in mind whose it is; undefined, and nothing, when it has not all of it in blocks of
   * `view` that `isFresh`.
   */
  take(
    request: AssignRequest,
    { context, view, isFresh }: { context: NodeContext; view: BlockView; isFresh: (block: Cidr) => boolean },
  ): readonly AssignedAddress[] | undefined {
    if (this.#isClosed || !this.hasSome || !this.#options.isSole()) return undefined;
    // What is not looked at yet may be the handle's already.
    if ([...view.blocks.values()].some((block) => this.#straysIn(block).some((ip) => !this.#nobodys.has(ip))))
      return undefined;
    const choices = choicesOf(request, context);
    const addresses = ([4, 6] as const).flatMap((version) => {
      const count = version === 4 ? request.v4 : request.v6;
      const isFit = ([ip, held]: readonly [Ip, Held]) =>
        versionOf(ip) === version && isFresh(held.block) && this.#isFit(ip, held, { context, choices, view });
      return [...this.#ready.entries().filter(isFit).take(count)].map(([ip, { block }]) => ({ ip, block }));
    });
    if (addresses.length < request.v4 + request.v6) return undefined;
    this.noteAsked(request, context.nowMs);
    const { handle, attributes } = request;
    for (const { ip } of addresses) {
      const held = this.#ready.get(ip);
      if (held === undefined) throw new Error(`Cannot give ${ip} of the reserve of ${this.#node}: it is not held`);
      this.#ready.delete(ip);
      this.#given.set(ip, { ...held, handle, attributes, isEnding: false });
    }
    return addresses;
  }

  /** Whether something was given to the handle that the store does not know yet. */
  hasGiven(handle: string): boolean {
    return this.#given.values().some((one) => one.handle === handle);
  }

  /** Whether blocks hold what this process knows nothing of, and may settle. */
  hasStrays({ blocks }: BlockView): boolean {
    return this.#options.isSole() && [...blocks.values()].some((block) => this.#straysIn(block).length > 0);
  }

  /** Whose that is; undefined when there is none. Rejects when it cannot be told. */
  async ownersOf(view: BlockView): Promise<Owners | undefined> {
    return this.hasStrays(view) ? this.#options.owners() : undefined;
  }

  /** Names what was given, settles what an earlier process held, and gives back what is not to be held any more. */
  tend(view: BlockView, options: TendOptions): Tended {
    const working = new Map(view.blocks);
    for (const [ip, held] of this.#refused.take(view.blocks, this.handle)) this.#ready.set(ip, held);
    const named = this.#name(working, options);
    if (options.owners !== undefined) this.#settleStrays(working, { ...options, owners: options.owners });
    const returned = options.only === undefined ? this.#giveBack(working, view, options) : [];
    const changed = new Set([...working].flatMap(([cidr, block]) => (view.blocks.get(cidr) === block ? [] : [cidr])));
    return { blocks: working, changed, named, taken: [], returned };
  }

  /** Takes what is lacking, of what is left after everybody else. */
  refill({ blocks, changed, ...tended }: Tended, closed: ReadonlySet<Cidr>, options: TendOptions): Tended {
    const working = new Map(blocks);
    const taken = ([4, 6] as const).flatMap((version) => this.#takeFamily(working, version, closed, options));
    return { ...tended, blocks: working, changed: changed.union(new Set(taken.map(({ block }) => block))), taken };
  }

  /** The block's part of what was planned has become true. Answers the handles that the store now knows by name. */
  stored(cidr: Cidr, { named, taken }: Tended): readonly string[] {
    for (const { ip, block, sequenceNumber } of taken) {
      if (block === cidr && sequenceNumber !== undefined) this.#ready.set(ip, { block, sequenceNumber });
    }
    const known = named.filter(({ ip, block, handle }) => block === cidr && this.#given.get(ip)?.handle === handle);
    // Of who gives it back already, nothing is to be written down any more.
    const staying = known.filter(({ ip }) => this.#given.get(ip)?.isEnding === false);
    for (const { ip } of known) this.#given.delete(ip);
    return [...new Set(staying.map(({ handle }) => handle))];
  }

  /** The block's part was refused, as somebody else was first. */
  refused(cidr: Cidr, tended: Tended): void {
    this.#refused.note(cidr, tended);
  }

  #isFit(
    ip: Ip,
    { block, sequenceNumber }: Held,
    { context, choices, view }: { context: NodeContext; choices: PoolChoices; view: BlockView },
  ): boolean {
    const known = view.blocks.get(block);
    if (known === undefined || view.closed.has(block) || !this.#holds(known, ip, sequenceNumber)) return false;
    if (poolOfBlock(choices[versionOf(ip)].usable, block) === undefined || !isOwnedBy(known, this.#node)) return false;
    return !isReservedIn(known, ip, context);
  }

  #holds(block: IpamBlock, ip: Ip, sequenceNumber: bigint): boolean {
    return isHeldAs(block, ip, { handle: this.handle, sequenceNumber });
  }

  #straysIn(block: IpamBlock): readonly Ip[] {
    const isStray = (ip: Ip) => !this.#ready.has(ip) && !this.#given.has(ip);
    return addressesOf(block, this.handle).filter(isStray);
  }

  #name(working: Map<Cidr, IpamBlock>, { only, ending }: TendOptions): Tended["named"] {
    return [...this.#given].flatMap(([ip, given]) => {
      if (only !== undefined && !only.has(given.handle)) return [];
      const isEnding = given.isEnding || ending.has(given.handle);
      this.#given.set(ip, { ...given, isEnding });
      const block = working.get(given.block);
      // An earlier try, whose answer was lost, has named it.
      if (block && allocationOf(block, ip)?.attribute.handle_id === given.handle) return [{ ...given, ip }];
      const isHeld = block !== undefined && this.#holds(block, ip, given.sequenceNumber);
      const handed = isHeld ? handOver(block, ip, { from: this.handle, to: given }) : undefined;
      // Free: somebody has released it by force, and it is the pod's all the same; unless it was the pod's own release.
      const named = handed ?? (block && !isEnding ? assignAddress(block, ip, given) : undefined);
      if (named === undefined) {
        this.#given.delete(ip);
        if (!isEnding) this.#options.onLost(lossOf({ ...given, ip }, block));
        return [];
      }
      working.set(given.block, named);
      return [{ ...given, ip }];
    });
  }

  #settleStrays(working: Map<Cidr, IpamBlock>, options: TendOptions & { readonly owners: Owners }): void {
    const all = [...working].map(([cidr, block]) => ({ cidr, block, strays: this.#straysIn(block) }));
    const isNobodys = (ip: Ip) => !options.owners.byAddress.has(ip);
    this.#nobodys = new Set(all.flatMap(({ strays }) => strays.filter(isNobodys)));
    for (const { cidr, block, strays } of all) {
      working.set(cidr, withStraysSettled(block, strays, { ...options, from: this.handle }));
    }
  }

  #giveBack(working: Map<Cidr, IpamBlock>, view: BlockView, options: TendOptions): Tended["returned"] {
    const { context, wanted, isShort } = options;
    const choices = choicesOf(anybody, context);
    const isOver = this.#isOver(context);
    const kept = { 4: 0, 6: 0 };
    const returned: (Held & { readonly ip: Ip })[] = [];
    for (const [ip, held] of this.#ready) {
      const known = view.blocks.get(held.block);
      const mayStay = !isShort && !wanted.has(ip) && !isOver && isRoomy(known, options);
      const isTooMany = known !== undefined && kept[versionOf(ip)] >= this.#sizesOf(known, context).now;
      if (mayStay && !isTooMany && this.#isFit(ip, held, { context, choices, view })) {
        kept[versionOf(ip)]++;
        continue;
      }
      // Not given any more from here on, whatever becomes of the write: it may take effect late.
      this.#ready.delete(ip);
      const block = working.get(held.block);
      if (block === undefined || !this.#holds(block, ip, held.sequenceNumber)) continue;
      working.set(held.block, giveBackUnused(block, [ip], this.handle));
      returned.push({ ...held, ip });
    }
    return returned;
  }

  #isOver({ nowMs }: NodeContext): boolean {
    return this.#isClosed || Math.abs(nowMs - this.#askedMs) >= idleMs;
  }

  #takeFamily(
    working: Map<Cidr, IpamBlock>,
    version: IpVersion,
    closed: ReadonlySet<Cidr>,
    { context, isShort, roomyPools }: TendOptions,
  ): Tended["taken"] {
    if (!this.#families.has(version) || isShort || this.#isOver(context) || !this.#options.isSole()) return [];
    const usable = choicesOf(anybody, context)[version].usable.filter(({ metadata }) => roomyPools.has(metadata.name));
    const ready = [...this.#ready.keys()].filter((ip) => versionOf(ip) === version).length;
    const blocks = [...working].filter(([cidr]) => cidrVersion(cidr) === version);
    const strays = blocks.flatMap(([, block]) => this.#straysIn(block)).length;
    const owned = blocks.filter(([, block]) => isOwnedBy(block, this.#node));
    for (const [cidr, block] of owned) {
      if (closed.has(cidr)) continue;
      const { usual, now, most } = this.#sizesOf(block, context);
      // A node that may have no further block would soon be short itself. And writes whose answers are lost leave strays each time,
      // which are settled only once no ADD is under way.
      const wanted = strays > 0 || owned.length >= context.limits.maxBlocks ? usual : now;
      const room = Math.min(wanted, most + usual - strays) - ready;
      const isReserved = context.reservations.ofBlock(cidr)?.isReserved;
      const count = Math.min(room, Math.floor(openOf(block, isReserved) / 2));
      if (poolOfBlock(usable, cidr) === undefined || count <= 0) continue;
      const attributes = { node: this.#node };
      const change = assignFromBlock(block, { handle: this.handle, count, attributes, isReserved });
      if (change.ips.length === 0) continue;
      working.set(cidr, change.block);
      return change.ips.map((ip) => ({
        ip,
        block: cidr,
        sequenceNumber: allocationOf(change.block, ip)?.sequenceNumber,
      }));
    }
    return [];
  }

  /** How many are to be held of a block's family: usually, just now, and at most. */
  #sizesOf({ spec }: IpamBlock, { nowMs }: NodeContext) {
    const of = (asked: number) => this.#options.mostOf(spec.allocations.length, asked);
    return { usual: of(0), now: of(this.#demand.inLastSecond(nowMs)), most: of(Number.POSITIVE_INFINITY) };
  }
}

// --- internal ---

/** So many held and given are not worth waiting for more to be given before a write. */
const few = 8;
/** For so long after the last pod something is held for the next. */
const idleMs = 60_000;
