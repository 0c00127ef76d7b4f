import type { Snapshot } from "../../api/snapshot.ts";
import type { IpVersion } from "../../net/ip.ts";
import type { BirdFilter } from "./bird-filter.ts";
import { type CompiledFilter, compileFilter } from "./compile-filter.ts";

/** The filters of one session, by the names that they have in BIRD's configuration. */
export interface SessionFilters {
  readonly import: readonly string[];
  readonly export: readonly string[];
  /** Why the session must not come up: without a filter that is named it would be open wider than it is meant to be. */
  readonly held: string | undefined;
}

/** Compiles BGPFilters as sessions name them, each once, and remembers which are in use. */
export class FilterBook {
  readonly #filters: Snapshot["bgpFilter"];
  readonly #compiled = new Map<string, CompiledFilter>();
  readonly #used = new Map<string, BirdFilter>();

  constructor(filters: Snapshot["bgpFilter"]) {
    this.#filters = filters;
  }

  /** What a session of this family does when its BGPPeer names these BGPFilters. One that is named twice counts once. */
  of(names: readonly string[], version: IpVersion): SessionFilters {
    const named = [...new Set(names)].map((name) => this.#named(name));
    const faults = named.flatMap((one) => ("unusable" in one ? one.unusable : []));
    const found = named
      .flatMap((one) => ("filters" in one ? one.filters : []))
      .filter((filter) => filter.version === version);
    for (const filter of found) this.#used.set(filter.name, filter);
    const inDirection = (direction: BirdFilter["direction"]) =>
      found.filter((one) => one.direction === direction).map(({ name }) => name);
    return {
      ...{ import: inDirection("import"), export: inDirection("export") },
      held: faults.length === 0 ? undefined : faults.join("; "),
    };
  }

  /** Every filter that a session was given, in the order of first use. */
  get used(): readonly BirdFilter[] {
    return [...this.#used.values()];
  }

  #named(name: string): CompiledFilter {
    const known = this.#compiled.get(name);
    if (known !== undefined) return known;
    const filter = this.#filters.get(name);
    const found = filter === undefined ? { unusable: `there is no BGPFilter ${name}` } : compileFilter(filter);
    this.#compiled.set(name, found);
    return found;
  }
}
