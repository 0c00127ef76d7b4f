import { closeSync, readFileSync, readSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { bindSocket, openSocket, pollReadable, setSocketOption } from "../libc.ts";
import { inNetns } from "../netns.ts";
import { codeOf, SystemError, systemError } from "../system-error.ts";
import { eventGroups } from "./constants.ts";
import { decodeRouteEvents, type Follows, NftablesEvents } from "./event-codec.ts";
import type { EventOrigin, KernelEvent, KernelMonitor } from "./kernel-event.ts";
import { ownAddress } from "./open-netlink.ts";

/** What is to be followed, and who is told. */
export interface MonitorOptions {
  /** Path of the network namespace; this process's own when absent. */
  readonly netns?: string;
  /** It must not throw. Events of one source come in the kernel's order. */
  readonly onEvent: (event: KernelEvent) => void;
  /** Which changes of nf_tables are told of; all when absent. */
  readonly follows?: Follows;
  /** So much of what waits the kernel keeps for each socket; default 64 MB. */
  readonly receiveBufferBytes?: number;
  /** The sockets cannot be read any more: no event comes after this. */
  readonly onEnd?: (error: Error) => void;
}

/**
 * Follows links, addresses, routes and nf_tables of one network namespace, from now on. Throws a `SystemError` when a socket
 * cannot be opened; that of nf_tables needs CAP_NET_ADMIN.
 *
 * Both sockets are waited for in one thread of libuv's pool, half a second at most at a time, so that closing and the end of
 * the process never hang. Events are read in bundles, some milliseconds apart: who changes much costs little.
 *
 * The process behind a link, address or route is looked up by the port of its request (`/proc/PORT/comm`), which a program that
 * opens one socket has of its process ID, as seen from its own PID namespace: best effort, while it lives.
 */
export function openMonitor(options: MonitorOptions): KernelMonitor {
  const { receiveBufferBytes = RECEIVE_BUFFER_BYTES } = options;
  const open = () => {
    const route = openEventSocket("route", receiveBufferBytes);
    try {
      return { route, netfilter: openEventSocket("netfilter", receiveBufferBytes) };
    } catch (error) {
      closeSync(route);
      throw error;
    }
  };
  return new SocketMonitor(options.netns === undefined ? open() : inNetns(options.netns, open), options);
}

// --- internal ---

type Source = keyof typeof eventGroups;

class SocketMonitor implements KernelMonitor {
  readonly #fds: Readonly<Record<Source, number>>;
  readonly #options: MonitorOptions;
  readonly #buffer = Buffer.alloc(READ_BYTES);
  readonly #transactions: NftablesEvents;
  readonly #ended: Promise<void>;
  #open = true;

  constructor(fds: Readonly<Record<Source, number>>, options: MonitorOptions) {
    this.#fds = fds;
    this.#options = options;
    this.#transactions = new NftablesEvents(options.follows);
    this.#ended = this.#run();
  }

  close(): Promise<void> {
    this.#open = false;
    return this.#ended;
  }

  async #run(): Promise<void> {
    try {
      const fds = [this.#fds.route, this.#fds.netfilter];
      while (this.#open) {
        const [hasRoutes, hasNetfilter] = await pollReadable(fds, POLL_MS);
        if (!this.#open) break;
        if (hasRoutes === true) this.#drain("route");
        if (hasNetfilter === true) this.#drain("netfilter");
        if (hasRoutes === true || hasNetfilter === true) await sleep(PAUSE_MS);
      }
    } catch (error) {
      this.#options.onEnd?.(error instanceof Error ? error : new Error(String(error)));
    } finally {
      for (const fd of Object.values(this.#fds)) closeSync(fd);
    }
  }

  /** Some of what waits, so that the event loop turns: the rest is still there at the next poll. */
  #drain(source: Source): void {
    const { onEvent } = this.#options;
    const originOf = originsOf();
    for (let count = 0; count < DATAGRAMS_AT_ONCE; count++) {
      const datagram = this.#read(source);
      if (datagram === undefined) return;
      if (datagram === "overrun") {
        this.#transactions.forget();
        onEvent({ kind: "overrun", source: source === "route" ? "route" : "nftables" });
        continue;
      }
      const events = source === "route" ? decodeRouteEvents(datagram, originOf) : this.#transactions.decode(datagram);
      for (const event of events) onEvent(event);
    }
  }

  /** Undefined when nothing waits. */
  #read(source: Source): Buffer | "overrun" | undefined {
    try {
      return this.#buffer.subarray(0, readSync(this.#fds[source], this.#buffer));
    } catch (error) {
      const code = codeOf(error);
      if (code === "EAGAIN" || code === "EINTR") return undefined;
      if (code === "ENOBUFS") return "overrun";
      throw systemError("read the kernel's events", error);
    }
  }
}

const AF_NETLINK = 16;
/** SOCK_RAW and SOCK_NONBLOCK. */
const SOCKET_TYPE = 3 | 0o4000;
const protocols: Readonly<Record<Source, number>> = { route: 0, netfilter: 12 };
const SOL_SOCKET = 1;
const SO_RCVBUFFORCE = 33;
/** A limit, of which nothing is taken before it is used: 20,000 rules in one transaction of others overran 8 MB (measured). */
const RECEIVE_BUFFER_BYTES = 64 * 1024 * 1024;
const READ_BYTES = 65_536;
const POLL_MS = 500;
const PAUSE_MS = 10;
const DATAGRAMS_AT_ONCE = 256;
/** PID_MAX_LIMIT: a port beyond it was chosen by the kernel. */
const MAX_PID = 4_194_304;

function openEventSocket(source: Source, bufferBytes: number): number {
  const fd = openSocket(AF_NETLINK, SOCKET_TYPE, protocols[source]);
  try {
    setSocketOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, bufferBytes);
    bindSocket(fd, ownAddress(eventGroups[source]));
  } catch (error) {
    closeSync(fd);
    throw error instanceof SystemError ? error : systemError("follow the kernel's events", error);
  }
  return fd;
}

/** Asks for each port once. */
function originsOf(): (port: number) => EventOrigin {
  const known = new Map<number, EventOrigin>();
  return (port) => {
    const origin = known.get(port) ?? originOf(port);
    known.set(port, origin);
    return origin;
  };
}

function originOf(port: number): EventOrigin {
  if (port === 0 || port > MAX_PID) return { port };
  try {
    return { port, process: readFileSync(`/proc/${port}/comm`, "utf8").trimEnd() };
  } catch {
    // It has ended, or is of another PID namespace.
    return { port };
  }
}
