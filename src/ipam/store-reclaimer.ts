import { type Cidr, cidrContainsIp, cidrVersion, networkOf, prefixLength } from "../net/cidr.ts";
import type { Clock } from "../net/clock.ts";
import { type Ip, versionOf } from "../net/ip.ts";
import { retryConflicts } from "./backoff.ts";
import { ordinalsOf } from "./block.ts";
import { type Cooldown, endCooldownsIn, releaseAddressesFromBlock } from "./block-release.ts";
import { deleteOrphanBlock, type GivenUp, giveUpBlock } from "./give-up.ts";
import { matchRecord } from "./handle-records.ts";
import { readLimits } from "./limits.ts";
import type { AddressRelease, BlockRelease, Reclaimer, ReleaseAnswer } from "./reclaimer.ts";
import type { IpamStore } from "./store.ts";

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
  async releaseAddresses(releases: readonly AddressRelease[]): Promise<readonly ReleaseAnswer[]> {
    if (releases.length === 0) return [];
    const [cooldown, places] = await Promise.all([this.#cooldown(), this.#placesOf(releases.map(({ ip }) => ip))]);
    const byBlock = Map.groupBy(releases, ({ ip }) => places.get(ip));
    const answers = new Map<Ip, ReleaseAnswer>();
    const handles = new Map<string, Set<Cidr>>();
    await inParallel([...byBlock], async ([cidr, some]) => {
      if (cidr === undefined) return;
      const done = await this.#releaseFrom(cidr, some, cooldown);
      for (const answer of done.answers) answers.set(answer.ip, answer);
      for (const handle of done.handles) handles.set(handle, (handles.get(handle) ?? new Set()).add(cidr));
    });
    await inParallel([...handles], ([handle, cidrs]) => this.#match(handle, [...cidrs]));
    return releases.map(({ ip }) => answers.get(ip) ?? { ip, outcome: "free" });
  }

  async releaseBlock({ cidr, node, evenIfUsed }: BlockRelease): Promise<GivenUp> {
    const cooldown = await this.#cooldown();
    const options = { node, cidr, evenIfUsed, cooldown };
    return retryConflicts(this.#clock, `give up block ${cidr} of node ${node}`, () =>
      giveUpBlock(this.#store, options),
    );
  }

  async deleteOrphan(cidr: Cidr): Promise<"deleted" | "kept"> {
    const cooldown = await this.#cooldown();
    return retryConflicts(this.#clock, `delete block ${cidr}`, () => deleteOrphanBlock(this.#store, cidr, cooldown));
  }

  async repairHandle(handle: string): Promise<void> {
    const blocks = (await this.#store.blocks.list()).map(({ value }) => value);
    const holding = blocks.filter(({ spec }) => ordinalsOf(spec, handle).length > 0);
    await this.#match(
      handle,
      holding.map(({ spec }) => spec.cidr),
    );
  }

  async endCooldowns(cidr: Cidr): Promise<void> {
    const cooldown = await this.#cooldown();
    await retryConflicts(this.#clock, `end the cooldowns of block ${cidr}`, async () => {
      const block = await this.#store.blocks.get(cidr);
      if (block === undefined) return "done";
      const rested = endCooldownsIn(block.value, cooldown);
      if (rested === block.value) return "done";
      return (await this.#store.blocks.put(cidr, rested, block.revision)) === "conflict" ? "conflict" : "done";
    });
  }

  async #cooldown(): Promise<Cooldown> {
    const { cooldownSeconds } = await readLimits(this.#store);
    return { nowMs: this.#clock.now(), cooldownSeconds };
  }

  /** The block of each address, where there is or may be one: the list may be old, so a pool's word counts too. */
  async #placesOf(ips: readonly Ip[]): Promise<ReadonlyMap<Ip, Cidr>> {
    const [listed, pools] = await Promise.all([this.#store.blocks.list({ fresh: true }), this.#store.pools()]);
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

  #releaseFrom(cidr: Cidr, releases: readonly AddressRelease[], cooldown: Cooldown) {
    return retryConflicts(this.#clock, `free addresses of block ${cidr}`, async () => {
      const block = await this.#store.blocks.get(cidr);
      if (block === undefined) return { answers: [], handles: [] };
      const { block: next, answers } = releaseAddressesFromBlock(block.value, releases, cooldown);
      if (next !== block.value && (await this.#store.blocks.put(cidr, next, block.revision)) === "conflict") {
        return "conflict";
      }
      return { answers, handles: handlesOf(releases, answers) };
    });
  }

  async #match(handle: string, cidrs: readonly Cidr[]): Promise<void> {
    await retryConflicts(this.#clock, `correct the record of handle ${handle}`, () =>
      matchRecord(this.#store, handle, cidrs),
    );
  }
}

// --- internal ---

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
async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  const errors: unknown[] = [];
  const workers = Array.from({ length: Math.min(maxParallel, items.length) }, async () => {
    for (const item of queue) await work(item).catch((error: unknown) => errors.push(error));
  });
  await Promise.all(workers);
  if (errors.length > 0) throw errors[0];
}
