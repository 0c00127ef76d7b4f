import type { Host } from "../../src/host/host.ts";
import type { Netlink } from "../../src/host/netlink/netlink.ts";
import type { IpamStore, RecordStore } from "../../src/ipam/store.ts";
import type { NodeParts } from "./cni-node.ts";

/** Told of each thing that is done to the world: right before, and right after. It may throw, or end the process. */
export type StepWatcher = (when: "before" | "after", step: string) => void;

/** The node with every effect of a CNI server watched; what only asks is not. The store is watched by `watchedStore`. */
export function watched(parts: NodeParts, watch: StepWatcher): NodeParts {
  const around = async <T>(step: string, effect: () => Promise<T>): Promise<T> => {
    watch("before", step);
    const result = await effect();
    watch("after", step);
    return result;
  };
  return {
    ...parts,
    host: watchedMethods<Host>(parts.host, ["replaceFile", "replaceUnsynced", "removeFile"], watch),
    openNetlink: (netns) => watchedMethods<Netlink>(parts.openNetlink(netns), netlinkEffects, watch),
    writeSysctl: (netns, key, value) => {
      watch("before", `set ${key}`);
      parts.writeSysctl(netns, key, value);
      watch("after", `set ${key}`);
    },
    publish: (attachment, signal) => around("publish", () => parts.publish(attachment, signal)),
    withdraw: (key) => around("withdraw", () => parts.withdraw(key)),
    runPlugin: (run) => around(`run ${run.environment["CNI_COMMAND"]} of ${run.path}`, () => parts.runPlugin(run)),
  };
}

/** A store with every write watched. */
export function watchedStore(store: IpamStore, watch: StepWatcher): IpamStore {
  const records = <K, T>(name: string, one: RecordStore<K, T>) =>
    watchedMethods<RecordStore<K, T>>(one, ["put", "remove"], watch, `${name} `);
  return {
    blocks: records("blocks", store.blocks),
    affinities: records("affinities", store.affinities),
    handles: records("handles", store.handles),
    affinitiesOf: (node) => store.affinitiesOf(node),
    blockNetworks: () => store.blockNetworks(),
    configuration: () => store.configuration(),
    pools: () => store.pools(),
    reservations: () => store.reservations(),
    node: (name) => store.node(name),
  };
}

// --- internal ---

const netlinkEffects = [
  "createVeth",
  "createIfb",
  "deleteLink",
  "setLink",
  "addAddress",
  "replaceRoutes",
  "deleteRoutes",
] as const;

function watchedMethods<T extends object>(
  real: T,
  effects: readonly (keyof T & string)[],
  watch: StepWatcher,
  prefix = "",
): T {
  return new Proxy(real, {
    get: (target, key) => {
      const method: unknown = Reflect.get(target, key);
      if (typeof method !== "function") return method;
      if (!effects.some((name) => name === key)) return method.bind(target);
      return async (...words: readonly unknown[]) => {
        const step = `${prefix}${String(key)}${typeof words[0] === "string" ? ` ${words[0]}` : ""}`;
        watch("before", step);
        const result: unknown = await Reflect.apply(method, target, words);
        watch("after", step);
        return result;
      };
    },
  });
}
