import type { HostInterface } from "../api/objects.ts";
import type { Change, Snapshot } from "../api/snapshot.ts";
import type { Netlink } from "../host/netlink/netlink.ts";
import type { Clock } from "../net/clock.ts";
import { compareIps } from "../net/ip.ts";
import type { Logger } from "./logger.ts";

export interface HostInterfacesParts {
  readonly node: string;
  readonly snapshot: Pick<Snapshot, "hostEndpoint" | "hostInterface">;
  /** The routing netlink of the node's own namespace, to be closed. */
  readonly openNetlink: () => Netlink;
  /** What the names of workload interfaces begin with: those are none of the host's. */
  readonly interfacePrefix: string;
  /** Whether no host endpoint stands for the interface of this name. */
  readonly isExcluded: (name: string) => boolean;
  readonly onChanges: (changes: readonly Change[]) => void;
  readonly clock: Clock;
  readonly logger: Pick<Logger, "warn">;
}

/**
 * Tells which addresses the node's own interfaces have, as long as a host endpoint of the node is known by its addresses
 * alone: once before the caller goes on, then every second. Without such a host endpoint nothing is read.
 */
export class HostInterfaces {
  readonly #parts: HostInterfacesParts;
  readonly #stopped = new AbortController();
  /** There while the interfaces are followed; resolves once they have been told for the first time. */
  #following: Promise<void> | undefined;

  constructor(parts: HostInterfacesParts) {
    this.#parts = parts;
  }

  /** Host endpoints may have come or gone. Resolves when what they need is told; a failure is logged, and read again soon. */
  async touched(): Promise<void> {
    if (this.#following === undefined && this.#isWanted()) {
      this.#following = this.#look();
      void this.#following.then(() => this.#follow());
    }
    await this.#following;
  }

  stop(): void {
    this.#stopped.abort();
  }

  async #follow(): Promise<void> {
    const { clock } = this.#parts;
    while (!this.#stopped.signal.aborted && this.#isWanted()) {
      await clock.sleep(everyMs, this.#stopped.signal).catch(() => undefined);
      if (!this.#stopped.signal.aborted) await this.#look();
    }
    this.#following = undefined;
  }

  #isWanted(): boolean {
    const { node, snapshot } = this.#parts;
    return [...snapshot.hostEndpoint.values()].some(({ spec }) => spec.node === node && spec.interfaceName === "");
  }

  async #look(): Promise<void> {
    const { snapshot, onChanges, logger } = this.#parts;
    try {
      const now = await this.#read();
      const gone = [...snapshot.hostInterface.keys()].filter((name) => !now.has(name));
      const changes: Change[] = [
        ...gone.map((key) => ({ kind: "hostInterface", key, value: undefined }) as const),
        ...[...now].flatMap(([key, value]) =>
          isSame(snapshot.hostInterface.get(key), value) ? [] : [{ kind: "hostInterface", key, value } as const],
        ),
      ];
      if (changes.length > 0) onChanges(changes);
    } catch (err) {
      // What was known stays: a host endpoint that loses its interface would leave it open.
      logger.warn({ err }, "cannot read which addresses the node's interfaces have: trying again");
    }
  }

  async #read(): Promise<ReadonlyMap<string, HostInterface>> {
    const netlink = this.#parts.openNetlink();
    try {
      const [links, addresses] = [await netlink.links(), await netlink.addresses()];
      const { interfacePrefix, isExcluded } = this.#parts;
      const own = links.filter(({ name }) => !name.startsWith(interfacePrefix) && !isExcluded(name));
      return new Map(
        own.map(({ name, index }) => {
          const ips = addresses.filter(({ linkIndex }) => linkIndex === index).map(({ ip }) => ip);
          return [name, { name, addresses: ips.sort(compareIps) }];
        }),
      );
    } finally {
      netlink.close();
    }
  }
}

// --- internal ---

const everyMs = 1000;

function isSame(a: HostInterface | undefined, b: HostInterface): boolean {
  return a !== undefined && a.addresses.join() === b.addresses.join();
}
