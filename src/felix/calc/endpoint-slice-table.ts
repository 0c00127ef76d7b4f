import { type NamespacedName, namespacedName } from "../../api/names.ts";
import type { EndpointSlice } from "../../api/objects.ts";
import { MultiMap } from "./multi-map.ts";

/** The cluster's EndpointSlices, by the Service that they belong to. */
export class EndpointSliceTable {
  readonly #slices = new Map<NamespacedName, EndpointSlice>();
  readonly #byService = new MultiMap<NamespacedName, NamespacedName>();

  /** Answers the Services that it belonged to and belongs to. */
  set(key: NamespacedName, slice: EndpointSlice | undefined): ReadonlySet<NamespacedName> {
    const before = serviceOf(this.#slices.get(key));
    const now = serviceOf(slice);
    if (before !== undefined) this.#byService.delete(before, key);
    if (now !== undefined) this.#byService.add(now, key);
    if (slice === undefined) this.#slices.delete(key);
    else this.#slices.set(key, slice);
    return new Set([before, now].filter((service) => service !== undefined));
  }

  /** The slice, if it belongs to the Service. */
  of(service: NamespacedName, key: NamespacedName): EndpointSlice | undefined {
    const slice = this.#slices.get(key);
    return serviceOf(slice) === service ? slice : undefined;
  }

  keysOf(service: NamespacedName): Iterable<NamespacedName> {
    return this.#byService.get(service);
  }
}

// --- internal ---

function serviceOf(slice: EndpointSlice | undefined): NamespacedName | undefined {
  return slice?.service === undefined ? undefined : namespacedName(slice.namespace, slice.service);
}
