import { AddressReserve, type AddressReserveParts } from "../cni/address-reserve.ts";
import { Allocator } from "../ipam/allocator.ts";
import type { Ipam } from "../ipam/ipam.ts";
import type { IpamStore } from "../ipam/store.ts";
import type { Clock } from "../net/clock.ts";
import { LateRecords, type LateRecordsParts } from "./late-records.ts";

export interface NodeIpamParts extends AddressReserveParts, LateRecordsParts {
  readonly clock: Clock;
  readonly store: IpamStore;
}

/** Address management of one agent: with records that come late, and addresses that are held for pods to come. */
export class NodeIpam {
  readonly ipam: Ipam;
  readonly #parts: NodeIpamParts;
  readonly #late: LateRecords;
  readonly #reserve: AddressReserve;
  readonly #allocator: Allocator;

  constructor(parts: NodeIpamParts) {
    this.#parts = parts;
    this.#late = new LateRecords(parts);
    this.#reserve = new AddressReserve(parts);
    const { store, clock, nodeName } = parts;
    this.#allocator = new Allocator({ store, clock, node: nodeName, late: this.#late, reserve: this.#reserve });
    this.ipam = this.#allocator;
  }

  /** Puts in order, when it suits, what an earlier agent held. */
  begin(): void {
    this.#allocator.begin();
  }

  /** Gives back what is held, and writes the records that wait. What is not done in time, the node's next agent does. */
  async stop(): Promise<void> {
    const { logger, clock } = this.#parts;
    const isOver = new AbortController();
    const stopped = this.#allocator
      .stop()
      .catch((err: unknown) => logger.warn({ err }, "cannot give back the addresses that are held for pods to come"));
    // The sleep ends early only for what it is a limit of.
    const sleep = (ms: number) => clock.sleep(ms, isOver.signal).catch(() => undefined);
    const isGivenBack = await Promise.race([stopped.then(() => true), sleep(longestGiveBackMs).then(() => false)]);
    // What is under way may wait for a server that does not answer.
    await Promise.race([this.#late.stop(), sleep(longestStopMs)]);
    isOver.abort();
    // Else the kernel does, once nothing of this process can be written any more.
    if (isGivenBack) this.leave();
  }

  /** Leaves what is held to the node's next agent. */
  leave(): void {
    this.#reserve.release();
  }
}

// --- internal ---

/** A DaemonSet's pod that is to end has half a minute for all. */
const longestGiveBackMs = 2000;
const longestStopMs = 4000;
