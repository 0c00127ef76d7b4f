import type { Netlink } from "../../host/netlink/netlink.ts";
import type { Nftables, NftOperation } from "../../host/netlink/nftables.ts";
import type { SetNetlink } from "../../host/netlink/set-netlink.ts";
import type { DataplaneObserver, KernelCall, Written } from "./dataplane-observer.ts";

/** The same sets; the observer is told of members and of sets that are destroyed. `monotonicNow` is in milliseconds. */
export function observedSets(sets: SetNetlink, observer: DataplaneObserver, monotonicNow: () => number): SetNetlink {
  const watch = { what: "set-netlink", observer, monotonicNow } as const;
  return {
    change: (changes) => {
      const members = changes.filter(({ verb }) => verb === "add").length;
      const written = { members, membersRemoved: changes.length - members };
      return observe(() => sets.change(changes), { ...watch, operations: changes.length, written: () => written });
    },
    destroy: (names) => {
      const written = (used: readonly string[]) => ({ setsRemoved: names.length - used.length });
      return observe(() => sets.destroy(names), { ...watch, operations: names.length, written });
    },
    close: () => sets.close(),
  };
}

/** The same links and routes; the observer is told of routes that are written and taken away. */
export function observedNetlink<N extends Pick<Netlink, "replaceRoutes" | "deleteRoutes">>(
  netlink: N,
  observer: DataplaneObserver,
): N {
  // Reading has no part in this: whatever else it can do is left as it is.
  return new Proxy(netlink, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      if (name !== "replaceRoutes" && name !== "deleteRoutes") return value.bind(target);
      return async (routes: Parameters<Netlink["replaceRoutes"]>[0]) => {
        await target[name](routes);
        if (routes.length > 0)
          observer.wrote({ [name === "replaceRoutes" ? "routes" : "routesRemoved"]: routes.length });
      };
    },
  });
}

/** The same nf_tables; the observer is told of what each transaction holds. `monotonicNow` is in milliseconds. */
export function observedNftables(
  nftables: Nftables,
  observer: DataplaneObserver,
  monotonicNow: () => number,
): Nftables {
  const watch = { what: "nft", observer, monotonicNow } as const;
  return new Proxy(nftables, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      if (name !== "commit") return value.bind(target);
      return (operations: readonly NftOperation[]) =>
        observe(() => target.commit(operations), {
          ...watch,
          ...{ operations: operations.length, written: () => countOperations(operations) },
        });
    },
  });
}

// --- internal ---

interface Observed<T> {
  readonly what: KernelCall["what"];
  readonly operations: number;
  readonly written: (result: T) => Partial<Written>;
  readonly observer: DataplaneObserver;
  readonly monotonicNow: () => number;
}

async function observe<T>(action: () => Promise<T>, observed: Observed<T>): Promise<T> {
  const { what, operations, written, observer, monotonicNow } = observed;
  if (operations === 0) return action();
  const startedAt = monotonicNow();
  let failed = true;
  try {
    const result = await action();
    failed = false;
    observer.wrote(written(result));
    return result;
  } finally {
    const ms = monotonicNow() - startedAt;
    observer.called({ what, ms, failed, lines: new Map([["", operations]]), started: false });
  }
}

function countOperations(operations: readonly NftOperation[]): Partial<Written> {
  const chains = new Set<string>();
  const count = { chainsRemoved: 0, rules: 0, rulesRemoved: 0, sets: 0, setsRemoved: 0, members: 0, membersRemoved: 0 };
  for (const one of operations) {
    if ("chain" in one && one.kind !== "delete-chain") chains.add(`${one.version} ${one.chain}`);
    if (one.kind === "delete-chain") count.chainsRemoved++;
    else if (one.kind === "add-rule") count.rules++;
    else if (one.kind === "delete-rule") count.rulesRemoved++;
    else if (one.kind === "add-set") count.sets++;
    else if (one.kind === "delete-set") count.setsRemoved++;
    else if (one.kind === "add-elements") count.members += one.elements.length;
    else if (one.kind === "delete-elements") count.membersRemoved += one.elements.length;
  }
  return { chains: chains.size, ...count };
}
