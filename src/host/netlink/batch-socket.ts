import { write as writeFile, writeSync } from "node:fs";
import { promisify } from "node:util";
import { netlinkPort } from "../libc.ts";
import { codeOf, SystemError, systemError } from "../system-error.ts";
import { aligned } from "./attribute.ts";
import { messageType } from "./constants.ts";
import { type Refusal, refusalOf } from "./message.ts";
import { closeNetlink, openNetlink, receiveMessages, restoreAnswerTimeout, setAnswerTimeout } from "./open-netlink.ts";

/** Messages that nfnetlink takes as one (NFNL_MSG_BATCH_BEGIN to END), encoded but for their sequence numbers. */
export interface BatchRequest {
  readonly datagram: Buffer;
  /** Index of the message whose flags ask for an acknowledgement; the last that does. */
  readonly acknowledged: number;
  /** The event loop goes on while the kernel works; the socket must have no other use until the answer is there. */
  readonly aside: boolean;
}

/** A socket for batches of nfnetlink, one after the other. */
export class BatchSocket {
  readonly #fd: number;
  #sequence = 0;
  #open = true;

  /** Opens it in the namespace at `netns`, or this process's own. Throws a `SystemError`. */
  constructor(netns: string | undefined) {
    this.#fd = openNetlink(netns, "netfilter");
  }

  /** The number by which the kernel knows the socket (netlink(7), `nl_pid`). */
  get port(): number {
    return netlinkPort(this.#requireOpen());
  }

  /**
   * Answers by index which of the messages the kernel refused, in order; index 0, the begin, stands for the batch itself. The
   * kernel has answered all of it when the write returns.
   */
  async transact({ datagram, acknowledged, aside }: BatchRequest): Promise<ReadonlyMap<number, Refusal>> {
    const fd = this.#requireOpen();
    const first = this.#sequence;
    this.#sequence = (first + numberMessages(datagram, first)) >>> 0;
    try {
      if (aside) await write(fd, datagram);
      else writeSync(fd, datagram);
    } catch (error) {
      throw systemError(`send a netlink batch of ${datagram.length} bytes`, error);
    }
    const refusals = new Map<number, Refusal>();
    try {
      while (!this.#readAnswers(first, acknowledged, refusals));
    } catch (error) {
      // So many were refused that not all answers had room: the first had.
      if (codeOf(error) !== "ENOBUFS") throw error;
      this.#readRest(first, acknowledged, refusals);
      if (refusals.size === 0) throw error;
    }
    return refusals;
  }

  close(): void {
    if (this.#open) closeNetlink(this.#fd, false);
    this.#open = false;
  }

  /** Reads one datagram; true when it held the last answer: the acknowledgement, or the refusal of the batch itself. */
  #readAnswers(first: number, acknowledged: number, refusals: Map<number, Refusal>): boolean {
    let done = false;
    for (const message of receiveMessages(this.#fd)) {
      // What is left of an earlier batch has a lower number, which is a large one here.
      const index = (message.sequence - first) >>> 0;
      if (index > acknowledged || message.type !== messageType.error) continue;
      const refusal = refusalOf(message);
      if (refusal !== undefined) refusals.set(index, refusal);
      if (index === acknowledged || index === 0) done = true;
    }
    return done;
  }

  /** Until there are no more: nothing more comes after what was lost. */
  #readRest(first: number, acknowledged: number, refusals: Map<number, Refusal>): void {
    setAnswerTimeout(this.#fd, 1);
    try {
      for (;;) this.#readAnswers(first, acknowledged, refusals);
    } catch (error) {
      if (codeOf(error) !== "ETIMEDOUT") throw error;
    } finally {
      restoreAnswerTimeout(this.#fd);
    }
  }

  #requireOpen(): number {
    if (this.#open) return this.#fd;
    throw new SystemError("send a netlink batch", "EBADF", { detail: "the socket is closed" });
  }
}

// --- internal ---

const write = promisify(writeFile);

/** Gives the messages consecutive sequence numbers, and answers how many they are. */
function numberMessages(datagram: Buffer, first: number): number {
  let count = 0;
  for (let offset = 0; offset < datagram.length; offset += aligned(datagram.readUInt32LE(offset))) {
    datagram.writeUInt32LE((first + count++) >>> 0, offset + 8);
  }
  return count;
}
