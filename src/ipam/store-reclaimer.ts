import { type Cidr, cidrContainsIp, cidrVersion, networkOf, prefixLength } from "../net/cidr.ts";
import type { Clock } from "../net/clock.ts";
import { inParallel } from "../net/in-parallel.ts";
import { type Ip, versionOf } from "../net/ip.ts";
import { retryConflicts } from "./backoff.ts";
import { ordinalsOf } from "./block.ts";
import { type Cooldown, endCooldownsIn, releaseAddressesFromBlock } from "./block-release.ts";
import { deleteOrphanBlock, type GivenUp, giveUpBlock } from "./give-up.ts";
import { matchRecord } from "./handle-records.ts";
import { readLimits } from "./limits.ts";
import type { AddressRelease, BlockRelease, Reclaimer, ReleaseAnswer } from "./reclaimer.ts";
import type { IpamStore } from "./store.ts";
import { untilAborted } from "./until-aborted.ts";

/** So many blocks are worked on at a time. */
const maxParallel = 8;

/**
 * Takes back by compare-and-swap, whoever else is at work: an address is freed only while it still is what was looked at,
 * a block goes only in the revision that was seen to be empty. Lost races are tried again, with growing waits, and then
 * reject.
 */
export class StoreReclaimer implements Reclaimer {
  readonly #store: IpamStore;
  readonly #clock: Clock;

  constructor({ store, clock }: { readonly store: IpamStore; readonly clock: Clock }) {
    this.#store = store;
    this.#clock = clock;
  }

  /** What other blocks have answered is done also when one block makes it reject. */
  async releaseAddresses(
    releases: readonly AddressRelease[],
    signal?: AbortSignal,
    onAnswers?: (answers: readonly ReleaseAnswer[]) => void,
  ): Promise<readonly ReleaseAnswer[]> {
    if (releases.length === 0) return [];
    const store = untilAborted(this.#store, signal);
    const ips = releases.map(({ ip }) => ip);
    const [cooldown, places] = await Promise.all([this.#cooldown(store), placesOf(store, ips)]);
    const byBlock = Map.groupBy(releases, ({ ip }) => places.get(ip));
    const answers = new Map<Ip, ReleaseAnswer>();
    const handles = new Map<string, Set<Cidr>>();
    await onAll([...byBlock], async ([cidr, some]) => {
      if (cidr === undefined) return;
      const done = await this.#releaseFrom(store, cidr, some, cooldown);
      onAnswers?.(done.answers);
      for (const answer of done.answers) answers.set(answer.ip, answer);
      for (const handle of done.handles) handles.set(handle, (handles.get(handle) ?? new Set()).add(cidr));
    });
    await onAll([...handles], ([handle, cidrs]) => this.#match(store, handle, [...cidrs]));
    return releases.map(({ ip }) => answers.get(ip) ?? { ip, outcome: "free" });
  }

  async releaseBlock({ cidr, node, evenIfUsed }: BlockRelease, signal?: AbortSignal): Promise<GivenUp> {
    const store = untilAborted(this.#store, signal);
    const cooldown = await this.#cooldown(store);
    const options = { node, cidr, evenIfUsed, cooldown };
    return retryConflicts(this.#clock, `give up block ${cidr} of node ${node}`, () => giveUpBlock(store, options));
  }

  async deleteOrphan(cidr: Cidr, signal?: AbortSignal): Promise<"deleted" | "kept"> {
    const store = untilAborted(this.#store, signal);
    const cooldown = await this.#cooldown(store);
    return retryConflicts(this.#clock, `delete block ${cidr}`, () => deleteOrphanBlock(store, cidr, cooldown));
  }

  /**
   * The list only says where to look: each record is read before the blocks that it and the list name, and written in the
   * revision that was read. What an older list misses is found again at the next repair.
   */
  async repairHandles(handles: readonly string[], signal?: AbortSignal): Promise<void> {
    if (handles.length === 0) return;
    const store = untilAborted(this.#store, signal);
    const places = await placesOfHandles(store, handles);
    await onAll([...places], ([handle, cidrs]) => this.#match(store, handle, cidrs));
  }

  async endCooldowns(cidr: Cidr, signal?: AbortSignal): Promise<void> {
    const store = untilAborted(this.#store, signal);
    const cooldown = await this.#cooldown(store);
    await retryConflicts(this.#clock, `end the cooldowns of block ${cidr}`, async () => {
      const block = await store.blocks.get(cidr);
      if (block === undefined) return "done";
      const rested = endCooldownsIn(block.value, cooldown);
      if (rested === block.value) return "done";
      return (await store.blocks.put(cidr, rested, block.revision)) === "conflict" ? "conflict" : "done";
    });
  }

  async #cooldown(store: IpamStore): Promise<Cooldown> {
    const { cooldownSeconds } = await readLimits(store);
    return { nowMs: this.#clock.now(), cooldownSeconds };
  }

  #releaseFrom(store: IpamStore, cidr: Cidr, releases: readonly AddressRelease[], cooldown: Cooldown) {
    return retryConflicts(this.#clock, `free addresses of block ${cidr}`, async () => {
      const block = await store.blocks.get(cidr);
      if (block === undefined) return { answers: [], handles: [] };
      const { block: next, answers } = releaseAddressesFromBlock(block.value, releases, cooldown);
      if (next !== block.value && (await store.blocks.put(cidr, next, block.revision)) === "conflict") {
        return "conflict";
      }
      return { answers, handles: handlesOf(releases, answers) };
    });
  }

  async #match(store: IpamStore, handle: string, cidrs: readonly Cidr[]): Promise<void> {
    await retryConflicts(this.#clock, `correct the record of handle ${handle}`, () =>
      matchRecord(store, handle, cidrs),
    );
  }
}

// --- internal ---

/** The block of each address, where there is or may be one: the list may be old, so a pool's word counts too. */
async function placesOf(store: IpamStore, ips: readonly Ip[]): Promise<ReadonlyMap<Ip, Cidr>> {
  const [listed, pools] = await Promise.all([store.blocks.list({ fresh: true }), store.pools()]);
  const blocks = new Set(listed.map(({ value }) => value.spec.cidr));
  const lengths = new Map(([4, 6] as const).map((version) => [version, lengthsOf(blocks, version)]));
  return new Map(
    ips.flatMap((ip) => {
      const networks = (lengths.get(versionOf(ip)) ?? []).map((length) => networkOf(ip, length));
      const pool = pools.find(({ spec }) => cidrContainsIp(spec.cidr, ip));
      const place = networks.find((network) => blocks.has(network)) ?? (pool && networkOf(ip, pool.spec.blockSize));
      return place === undefined ? [] : [[ip, place] as const];
    }),
  );
}

/** The blocks in which each of these handles holds something, as listed; an empty list for one that holds nothing. */
async function placesOfHandles(
  store: IpamStore,
  handles: readonly string[],
): Promise<ReadonlyMap<string, readonly Cidr[]>> {
  const places = new Map(handles.map((handle): [string, Cidr[]] => [handle, []]));
  for (const { value } of await store.blocks.list()) {
    const named = new Set(value.spec.attributes.map(({ handle_id = "" }) => handle_id));
    for (const handle of named) {
      const place = places.get(handle);
      if (place !== undefined && ordinalsOf(value.spec, handle).length > 0) place.push(value.spec.cidr);
    }
  }
  return places;
}

/** Those whose record may now be wrong; also after a release that an earlier try has made, and then crashed. */
function handlesOf(releases: readonly AddressRelease[], answers: readonly ReleaseAnswer[]): readonly string[] {
  return releases.flatMap(({ handle }, index) =>
    handle === undefined || answers[index]?.outcome === "changed" ? [] : [handle],
  );
}

function lengthsOf(blocks: ReadonlySet<Cidr>, version: 4 | 6): readonly number[] {
  const lengths = [...blocks].filter((cidr) => cidrVersion(cidr) === version).map(prefixLength);
  return [...new Set(lengths)].toSorted((a, b) => b - a);
}

/** Works on all items, a few at a time. The first error is thrown once nothing is under way any more. */
async function onAll<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const errors: unknown[] = [];
  await inParallel(items, maxParallel, async (item) => {
    await work(item).catch((error: unknown) => errors.push(error));
  });
  if (errors.length > 0) throw errors[0];
}
