/** When a route is in a kernel, as that kernel itself tells. */
import { closeSync } from "node:fs";
import { decodeRouteEvents } from "../../src/host/netlink/event-codec.ts";
import { inNetns } from "../../src/host/netns.ts";
import { openEvents, readEvents } from "../event-socket.ts";
import { nowMs } from "./now.ts";

/** Follows the routes of one namespace's main table; an event is read the moment it comes. */
export class RouteProbe implements AsyncDisposable {
  readonly #fd: number;
  readonly #ended: Promise<void>;
  readonly #waiting = new Map<string, (at: number) => void>();
  #isOpen = true;

  constructor(netns: string) {
    this.#fd = inNetns(`/run/netns/${netns}`, () => openEvents(NETLINK_ROUTE, ipv4Routes));
    this.#ended = this.#follow();
  }

  /** Resolves with the time (`nowMs`) at which a route to `cidr` came, or went. */
  async next(verb: "new" | "gone", cidr: string, limitMs = 10_000): Promise<number> {
    const key = `${verb} ${cidr}`;
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const late = () => reject(new Error(`Cannot see a route to ${cidr} that is ${verb} after ${limitMs / 1000} s`));
    const timer = setTimeout(late, limitMs);
    this.#waiting.set(key, resolve);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(key);
    }
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
      const at = nowMs();
      for (const event of decodeRouteEvents(buffer.subarray(0, length), (port) => ({ port }))) {
        if (event.kind === "route") this.#waiting.get(`${event.verb} ${event.route.destination}`)?.(at);
      }
    }
  }
}

// --- internal ---

const NETLINK_ROUTE = 0;
/** RTNLGRP_IPV4_ROUTE. */
const ipv4Routes = 0x40;
