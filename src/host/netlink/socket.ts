import { write as writeFile, writeSync } from "node:fs";
import { setImmediate as immediate } from "node:timers/promises";
import { promisify } from "node:util";
import { SystemError, systemError } from "../system-error.ts";
import { messageFlag, messageType } from "./constants.ts";
import { encodeMessage, type Message, type Refusal, refusalOf } from "./message.ts";
import { closeNetlink, type NetlinkProtocol, openNetlink, receiveMessages } from "./open-netlink.ts";

/** One request: a message type, NLM_F_* flags beyond "request" and "acknowledge", and the body. */
export interface Request {
  readonly type: number;
  readonly flags?: number;
  readonly body: Buffer;
}

/** The kernel's answer to one request: what it sent back and, when it refused, why. */
export interface Answer {
  readonly messages: readonly Message[];
  readonly refusal: Refusal | undefined;
}

/** The most requests in one write: the acknowledgements of about a thousand overrun a default receive buffer (measured). */
export const REQUESTS_PER_WRITE = 128;

/**
 * Requests and answers on one socket. Each call writes, reads its answers and returns: the kernel works on an rtnetlink
 * request inside the write and has answered when it returns (a route takes some 10 µs), so waiting for the event loop
 * would cost more than it saves. A missing answer is an ETIMEDOUT (`setNetlinkTimeout`). Answers are matched by sequence number.
 */
export class NetlinkSocket {
  readonly #fd: number;
  /** Those requests whose answers have not been awaited on the spot, and their answers. */
  readonly #aside = new Map<number, Message | undefined>();
  #open = true;
  /** How many calls are under way or have failed: what they were to be answered may still come. */
  #unanswered = 0;

  /**
   * Opens a socket of this protocol in the namespace at `netns`, or this process's own; it stays there for good.
   * Throws a `SystemError`.
   */
  constructor(netns: string | undefined, protocol: NetlinkProtocol = "route") {
    this.#fd = openNetlink(netns, protocol);
  }

  /** Sends at most `REQUESTS_PER_WRITE` requests in one write. All are tried, in order, also after a refusal. */
  transact(requests: readonly Request[]): readonly Answer[] {
    if (requests.length === 0) return [];
    this.#unanswered++;
    const first = this.#send(requests, messageFlag.ack);
    const messages: Message[][] = requests.map(() => []);
    const refusals: (Refusal | undefined)[] = [];
    let waiting = requests.length;
    while (waiting > 0) {
      for (const message of this.#receive()) {
        const index = (message.sequence - first) >>> 0;
        const mine = messages[index];
        if (mine === undefined) this.#setAside(message);
        else if (message.type === messageType.error) {
          refusals[index] = refusalOf(message);
          waiting--;
        } else {
          mine.push({ ...message, payload: Buffer.from(message.payload) });
        }
      }
    }
    this.#unanswered--;
    return messages.map((mine, index) => ({ messages: mine, refusal: refusals[index] }));
  }

  /**
   * As `transact`, of one request that keeps the kernel for long: the event loop goes on meanwhile, and other requests may be
   * made on this socket.
   */
  async transactAside(request: Request): Promise<Pick<Answer, "refusal">> {
    const sequence = this.#nextSequence(1);
    this.#aside.set(sequence, undefined);
    this.#unanswered++;
    try {
      await write(this.#requireOpen(), encode([request], messageFlag.ack, sequence)).catch((error: unknown) => {
        throw systemError("send a netlink request", error);
      });
      // Another request may have read the answer already.
      for (;;) {
        const answer = this.#aside.get(sequence);
        if (answer !== undefined) {
          this.#unanswered--;
          return { refusal: refusalOf(answer) };
        }
        for (const message of this.#receive()) this.#setAside(message);
      }
    } finally {
      this.#aside.delete(sequence);
    }
  }

  /**
   * Reads a whole table. `decode` makes a value of each payload, which is a view that the next read of any socket overwrites, or
   * undefined to leave it out. A table that changed meanwhile is read again (NLM_F_DUMP_INTR), a few times at most.
   */
  dump<T>(request: Request, decode: (payload: Buffer) => T | undefined): readonly T[] | Refusal {
    for (let attempt = 0; attempt < DUMP_ATTEMPTS; attempt++) {
      this.#unanswered++;
      const sequence = this.#send([request], messageFlag.dump);
      const result = this.#readDump(sequence, decode);
      if (result !== "interrupted") return result;
    }
    return endlessChange;
  }

  /**
   * As `dump`, of a table that the kernel searches for long, or that is long: the event loop goes on meanwhile. The socket
   * must have no other use until this has resolved.
   */
  async dumpAside<T>(request: Request, decode: (payload: Buffer) => T | undefined): Promise<readonly T[] | Refusal> {
    for (let attempt = 0; attempt < DUMP_ATTEMPTS; attempt++) {
      this.#unanswered++;
      const sequence = this.#nextSequence(1);
      await write(this.#requireOpen(), encode([request], messageFlag.dump, sequence)).catch((error: unknown) => {
        throw systemError("send a netlink request", error);
      });
      const result = await this.#readDumpAside(sequence, decode);
      if (result !== "interrupted") return result;
    }
    return endlessChange;
  }

  close(): void {
    if (this.#open) closeNetlink(this.#fd, this.#unanswered === 0);
    this.#open = false;
  }

  #readDump<T>(sequence: number, decode: (payload: Buffer) => T | undefined): readonly T[] | Refusal | "interrupted" {
    const reading: Reading<T> = { sequence, decode, values: [], interrupted: false };
    while (true) {
      const end = this.#readPart(reading);
      if (end !== undefined) return end;
    }
  }

  async #readDumpAside<T>(
    sequence: number,
    decode: (payload: Buffer) => T | undefined,
  ): Promise<readonly T[] | Refusal | "interrupted"> {
    const reading: Reading<T> = { sequence, decode, values: [], interrupted: false };
    while (true) {
      const end = this.#readPart(reading);
      if (end !== undefined) return end;
      await immediate();
    }
  }

  /** Takes in one datagram. Undefined: the dump goes on. */
  #readPart<T>(reading: Reading<T>): readonly T[] | Refusal | "interrupted" | undefined {
    for (const message of this.#receive()) {
      if (message.sequence !== reading.sequence) {
        this.#setAside(message);
        continue;
      }
      if ((message.flags & messageFlag.dumpInterrupted) !== 0) reading.interrupted = true;
      if (message.type === messageType.done || message.type === messageType.error) {
        this.#unanswered--;
        return refusalOf(message) ?? (reading.interrupted ? "interrupted" : reading.values);
      }
      const value = reading.decode(message.payload);
      if (value !== undefined) reading.values.push(value);
    }
    return undefined;
  }

  /** Sends the requests in one write and answers the sequence number of the first. */
  #send(requests: readonly Request[], flags: number): number {
    const fd = this.#requireOpen();
    const first = this.#nextSequence(requests.length);
    try {
      writeSync(fd, encode(requests, flags, first));
    } catch (error) {
      throw systemError("send a netlink request", error);
    }
    return first;
  }

  #requireOpen(): number {
    if (this.#open) return this.#fd;
    throw new SystemError("send a netlink request", "EBADF", { detail: "the socket is closed" });
  }

  #nextSequence(count: number): number {
    const first = nextSequence;
    nextSequence = (first + count) >>> 0;
    return first;
  }

  /** Keeps the answer for whoever waits for it; nobody does for any other. */
  #setAside(message: Message): void {
    if (this.#aside.has(message.sequence)) {
      this.#aside.set(message.sequence, { ...message, payload: Buffer.from(message.payload) });
    }
  }

  #receive(): readonly Message[] {
    return receiveMessages(this.#fd);
  }
}

// --- internal ---

/** One count for all sockets: what answers a request of whoever had the descriptor before is then nobody's. */
let nextSequence = 0;

/** A dump under way. */
interface Reading<T> {
  readonly sequence: number;
  readonly decode: (payload: Buffer) => T | undefined;
  readonly values: T[];
  interrupted: boolean;
}

const DUMP_ATTEMPTS = 10;
const endlessChange: Refusal = { code: "EINTR", detail: `the table kept changing during ${DUMP_ATTEMPTS} reads` };
const write = promisify(writeFile);

function encode(requests: readonly Request[], flags: number, first: number): Buffer {
  const messages = requests.map((request, index) =>
    encodeMessage({
      type: request.type,
      flags: messageFlag.request | flags | (request.flags ?? 0),
      sequence: (first + index) >>> 0,
      payload: request.body,
    }),
  );
  return Buffer.concat(messages);
}
