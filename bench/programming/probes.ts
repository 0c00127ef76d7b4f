/** When a change is in the kernel of the benched node, as the kernel itself tells. */
import { closeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { run } from "../../lab/run.ts";
import type { PolicyId } from "../../src/felix/calc/plan.ts";
import { policyChain } from "../../src/felix/render/names.ts";
import { decodeMessages } from "../../src/host/netlink/message.ts";
import { inNetns } from "../../src/host/netns.ts";
import { openEvents, readEvents } from "../event-socket.ts";
import { edited } from "./objects.ts";
import { SetQuestion } from "./set-question.ts";

/**
 * Waits for rules of the edited policy: iptables-nft and nftables tell of them by the same events (NFNLGRP_NFTABLES), which are
 * read at once, unlike the agent's own monitor, which gathers them.
 */
export class RuleProbe {
  readonly #fd: number;
  readonly #chain = Buffer.from(`${policyChain("ingress", `knp/${edited.namespace}/${edited.name}` as PolicyId)}\0`);
  readonly #ended: Promise<void>;
  #isOpen = true;
  #waiting: ((at: number) => void) | undefined;

  constructor(netns: string) {
    this.#fd = inNetns(`/run/netns/${netns}`, () => openEvents(NETLINK_NETFILTER, nftablesGroup));
    this.#ended = this.#follow();
  }

  /** Resolves with the time of the next one. */
  next(): Promise<number> {
    return limited(
      "the rule",
      new Promise((resolve) => {
        this.#waiting = resolve;
      }),
    );
  }

  /** Resolves when nothing is read any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOpen = false;
    await this.#ended;
    closeSync(this.#fd);
  }

  async #follow(): Promise<void> {
    const buffer = Buffer.alloc(65_536);
    while (this.#isOpen) {
      const length = await readEvents(this.#fd, buffer);
      if (this.#waiting === undefined || !holdsRule(buffer.subarray(0, length), this.#chain)) continue;
      this.#waiting(performance.now());
      this.#waiting = undefined;
    }
  }
}

/** Asks again and again whether an address is in a set. */
export class SetProbe {
  readonly #question: SetQuestion;

  private constructor(question: SetQuestion) {
    this.#question = question;
  }

  /** The set that gets the address when it is flipped on. */
  static async find(
    netns: string,
    backend: "iptables" | "nft",
    address: string,
    flip: (isOn: boolean) => Promise<unknown>,
  ): Promise<SetProbe> {
    const list = () => (backend === "iptables" ? ipsetsWith(netns, address) : nftSetsWith(netns, address));
    await flip(false);
    await sleep(settleMs);
    const before = new Set(await list());
    await flip(true);
    await sleep(settleMs);
    const [set, ...more] = (await list()).filter((name) => !before.has(name));
    if (set === undefined || more.length > 0)
      throw new Error(`Cannot tell which set has ${address}: ${[set, ...more]}`);
    await flip(false);
    await sleep(settleMs);
    return new SetProbe(new SetQuestion(`/run/netns/${netns}`, { backend, set, address }));
  }

  /** Resolves with the time at which it is so. */
  async until(isIn: boolean): Promise<number> {
    const seen = async () => {
      while (this.#question.isIn() !== isIn) await sleep(0.5);
      return performance.now();
    };
    return limited("the member", seen());
  }

  [Symbol.dispose](): void {
    this.#question.close();
  }
}

// --- internal ---

const newRule = 0xa06;

/** Whether a new rule of the chain is among the messages of the datagram. */
function holdsRule(datagram: Buffer, chain: Buffer): boolean {
  return decodeMessages(datagram).some(({ type, payload }) => type === newRule && payload.includes(chain));
}

const NETLINK_NETFILTER = 12;
/** NFNLGRP_NFTABLES. */
const nftablesGroup = 1 << 6;

const settleMs = 1500;
const limitMs = 30_000;

async function limited<T>(what: string, awaited: Promise<T>): Promise<T> {
  const ended = new AbortController();
  const late = sleep(limitMs, undefined, { signal: ended.signal }).then(() => {
    throw new Error(`Cannot see ${what} in the kernel after ${limitMs / 1000} s`);
  });
  // Ended by us when what is awaited has come.
  late.catch(() => undefined);
  try {
    return await Promise.race([awaited, late]);
  } finally {
    ended.abort();
  }
}

async function ipsetsWith(netns: string, address: string): Promise<readonly string[]> {
  const text = await run(["nsenter", `--net=/run/netns/${netns}`, "ipset", "save"]);
  return text
    .split("\n")
    .flatMap((line) => (line.startsWith("add ") && line.endsWith(` ${address}`) ? [line.split(" ")[1] ?? ""] : []));
}

async function nftSetsWith(netns: string, address: string): Promise<readonly string[]> {
  const text = await run(["nsenter", `--net=/run/netns/${netns}`, "nft", "list", "sets", "ip"]);
  let set = "";
  return text.split("\n").flatMap((line) => {
    set = /^\s*set (\S+) \{/.exec(line)?.[1] ?? set;
    return new RegExp(`[ ,]${address.replaceAll(".", "\\.")}([ ,]|$)`).test(line) ? [set] : [];
  });
}
