import { closeSync, readSync, writeSync } from "node:fs";
import { type Ip, type IpVersion, ipToBytes, versionOf } from "../net/ip.ts";
import { bindSocket, connectSocket, openSocket, setSocketOption } from "./libc.ts";
import { codeOf } from "./system-error.ts";

/** Between which addresses, and how packets leave. */
export interface RawSocketOptions {
  readonly protocol: "tcp" | "icmp";
  readonly source: Ip;
  readonly destination: Ip;
  /** Time to live, or hop limit; the kernel's own when undefined. */
  readonly ttl?: number | undefined;
}

/** One packet that arrived, without its IP header. */
export interface RawPacket {
  readonly payload: Buffer;
  /** IPv4 only. */
  readonly ttl: number | undefined;
}

/**
 * raw(7): sends packets of one protocol to one address, never fragmented, and gets a copy of all that arrives from there, before
 * TCP itself looks at it. Needs CAP_NET_RAW.
 */
export class RawSocket implements Disposable {
  readonly #fd: number;
  readonly #version: IpVersion;
  readonly #buffer = Buffer.alloc(65_536);

  /** Throws a `SystemError`: `EADDRNOTAVAIL` when this machine has not the source, an unreachable one when there is no route. */
  constructor({ protocol, source, destination, ttl }: RawSocketOptions) {
    this.#version = versionOf(destination);
    const family = this.#version === 4 ? ip4 : ip6;
    this.#fd = openSocket(family.domain, SOCK_RAW | SOCK_NONBLOCK, family[protocol]);
    try {
      bindSocket(this.#fd, socketAddress(source, 0));
      setSocketOption(this.#fd, family.level, family.discoverMtu, PMTUDISC_DO);
      setSocketOption(this.#fd, family.level, family.receiveErrors, 1);
      if (ttl !== undefined) setSocketOption(this.#fd, family.level, family.hops, ttl);
      connectSocket(this.#fd, socketAddress(destination, 0));
    } catch (error) {
      closeSync(this.#fd);
      throw error;
    }
  }

  /** Throws an error whose `code` is the errno name: also of what was sent earlier and a router has refused. */
  send(packet: Buffer): void {
    writeSync(this.#fd, packet);
  }

  /** The next packet; undefined when there is none yet. Throws as `send`. */
  receive(): RawPacket | undefined {
    let length: number;
    try {
      length = readSync(this.#fd, this.#buffer);
    } catch (error) {
      if (codeOf(error) === "EAGAIN") return undefined;
      throw error;
    }
    const packet = Buffer.from(this.#buffer.subarray(0, length));
    // Of IPv6 the kernel gives no header.
    if (this.#version === 6) return { payload: packet, ttl: undefined };
    return { payload: packet.subarray((packet.readUInt8(0) & 15) * 4), ttl: packet.readUInt8(8) };
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

/**
 * A TCP port of `source` that nobody else gets while it is held; nothing listens there, so the kernel resets what is answered to it.
 * Throws a `SystemError`: `EADDRNOTAVAIL` when this machine has not the address.
 */
export class HeldPort implements Disposable {
  readonly port: number;
  readonly #fd: number;

  constructor(source: Ip) {
    this.#fd = openSocket(versionOf(source) === 4 ? ip4.domain : ip6.domain, SOCK_STREAM, 0);
    try {
      this.port = bindSomewhere(this.#fd, source);
    } catch (error) {
      closeSync(this.#fd);
      throw error;
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

// --- internal ---

const SOCK_STREAM = 1;
const SOCK_RAW = 3;
const SOCK_NONBLOCK = 0o4000;
/** IP_PMTUDISC_DO, also of IPv6. */
const PMTUDISC_DO = 2;
/** AF_INET; IPPROTO_*; IP_TTL, IP_MTU_DISCOVER, IP_RECVERR of SOL_IP (linux/in.h). */
const ip4 = { domain: 2, tcp: 6, icmp: 1, level: 0, hops: 2, discoverMtu: 10, receiveErrors: 11 } as const;
/** AF_INET6; IPPROTO_*; IPV6_UNICAST_HOPS, IPV6_MTU_DISCOVER, IPV6_RECVERR of SOL_IPV6 (linux/in6.h). */
const ip6 = { domain: 10, tcp: 6, icmp: 58, level: 41, hops: 16, discoverMtu: 23, receiveErrors: 25 } as const;

const firstPort = 20_000;
const ports = 10_000;
const mostTries = 50;

function bindSomewhere(fd: number, source: Ip): number {
  for (let tries = 1; ; tries++) {
    const port = firstPort + Math.floor(Math.random() * ports);
    try {
      bindSocket(fd, socketAddress(source, port));
      return port;
    } catch (error) {
      if (codeOf(error) !== "EADDRINUSE" || tries === mostTries) throw error;
    }
  }
}

/** `struct sockaddr_in` or `sockaddr_in6`. */
function socketAddress(ip: Ip, port: number): Uint8Array {
  const version = versionOf(ip);
  const bytes = Buffer.alloc(version === 4 ? 16 : 28);
  bytes.writeUInt16LE(version === 4 ? ip4.domain : ip6.domain, 0);
  bytes.writeUInt16BE(port, 2);
  bytes.set(ipToBytes(ip), version === 4 ? 4 : 8);
  return bytes;
}
