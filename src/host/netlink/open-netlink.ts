import { closeSync, readSync } from "node:fs";
import { bindSocket, openSocket, setSocketOption } from "../libc.ts";
import { inNetns, isInNetns } from "../netns.ts";
import { codeOf, SystemError, systemError } from "../system-error.ts";
import { decodeMessages, type Message } from "./message.ts";
import { takePort } from "./own-ports.ts";

/** What part of the kernel a socket speaks to. */
export type NetlinkProtocol = "route" | "netfilter";

/**
 * How long any of this process's sockets, those that are open as well as those to come, waits for an answer of the kernel, in
 * milliseconds and more than 0; 10 s until it is set. Throws a `SystemError`.
 */
export function setNetlinkTimeout(ms: number): void {
  answerTimeoutMs = Math.max(1, Math.ceil(ms));
  for (const fd of openSockets) restoreAnswerTimeout(fd);
}

/**
 * A socket of this protocol in the namespace at `netns`, or this process's own; it stays there for good. Large buffers,
 * errors with a sentence. Throws a `SystemError`. The caller closes it with `closeNetlink`. What it receives first may be answers to
 * requests of whoever had it before.
 */
export function openNetlink(netns: string | undefined, protocol: NetlinkProtocol): number {
  const isKept = netns === undefined && protocol === "route" && !isInNetns();
  return (isKept ? idleSockets.pop() : undefined) ?? openAnew(netns, protocol, isKept);
}

/**
 * Closes what `openNetlink` has opened, or keeps it for whoever opens the next: a pod takes several for a request or two. One that
 * something went wrong with, or that is still to be answered, is not `isSound`.
 */
export function closeNetlink(fd: number, isSound: boolean): void {
  if (isSound && keptSockets.has(fd) && idleSockets.length < mostIdle) {
    idleSockets.push(fd);
    return;
  }
  openSockets.delete(fd);
  keptSockets.delete(fd);
  closeSync(fd);
}

/**
 * The messages of the next datagram, as views of one buffer for all sockets: what is to outlast the next read, of whichever
 * socket, must be copied, and so must what is to outlast the turn of the event loop. Throws a `SystemError`: ETIMEDOUT when none
 * came in time, ENOBUFS when answers were lost since there was no room for them.
 */
export function receiveMessages(fd: number): readonly Message[] {
  try {
    return decodeMessages(received.subarray(0, readSync(fd, received)));
  } catch (cause) {
    const action = "read the kernel's netlink answer";
    if (codeOf(cause) === "EAGAIN") throw new SystemError(action, "ETIMEDOUT", { detail: "none came in time", cause });
    throw systemError(action, cause);
  }
}

/** `receiveMessages` waits as long at this socket as at any other. */
export function restoreAnswerTimeout(fd: number): void {
  setAnswerTimeout(fd, answerTimeoutMs);
}

/** How long `receiveMessages` waits at this socket, until `restoreAnswerTimeout`. */
export function setAnswerTimeout(fd: number, ms: number): void {
  setSocketOption(fd, SOL_SOCKET, SO_RCVTIMEO, timeval(ms));
}

/** `struct sockaddr_nl` for a socket of this process that hears of these multicast groups. */
export function ownAddress(groups: number): Uint8Array {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt16LE(AF_NETLINK, 0);
  bytes.writeUInt32LE(takePort(), 4);
  bytes.writeUInt32LE(groups, 8);
  return bytes;
}

// --- internal ---

/** Upstream's. */
let answerTimeoutMs = 10_000;
const openSockets = new Set<number>();
/** Those of them in this process's own namespace that are for requests about it. */
const keptSockets = new Set<number>();
/** Those of them that nobody has. */
const idleSockets: number[] = [];
const mostIdle = 2;
/**
 * The kernel fills at most 32 KiB of a dump into one datagram. For each socket one of its own would cost more than all else of
 * a socket that lives for one request, as memory outside of the heap is cleared and then collected.
 */
const received = Buffer.allocUnsafeSlow(65_536);

const AF_NETLINK = 16;
const SOCK_RAW = 3;
/** NETLINK_ROUTE and NETLINK_NETFILTER. */
const protocols: Readonly<Record<NetlinkProtocol, number>> = { route: 0, netfilter: 12 };
const SOL_SOCKET = 1;
const SO_RCVTIMEO = 20;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const SOL_NETLINK = 270;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const NETLINK_GET_STRICT_CHK = 12;

const RECEIVE_BUFFER_BYTES = 8 * 1024 * 1024;
/** A limit, of which nothing is taken before it is used: 100,000 rules are some 60 MB. Routes go in small writes. */
const SEND_BUFFER_BYTES = 512 * 1024 * 1024;

function openAnew(netns: string | undefined, protocol: NetlinkProtocol, isKept: boolean): number {
  const open = () => openSocket(AF_NETLINK, SOCK_RAW, protocols[protocol]);
  const fd = netns === undefined ? open() : inNetns(netns, open);
  try {
    prepareSocket(fd, protocol);
    openSockets.add(fd);
    if (isKept) keptSockets.add(fd);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return fd;
}

function prepareSocket(fd: number, protocol: NetlinkProtocol): void {
  restoreAnswerTimeout(fd);
  setSocketOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES);
  if (protocol === "netfilter") setSocketOption(fd, SOL_SOCKET, SO_SNDBUFFORCE, SEND_BUFFER_BYTES);
  for (const option of [NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK]) {
    setSocketOption(fd, SOL_NETLINK, option, 1);
  }
  bindSocket(fd, ownAddress(0));
}

/** `struct timeval` of a 64-bit machine. */
function timeval(ms: number): Uint8Array {
  const bytes = Buffer.alloc(16);
  bytes.writeBigInt64LE(BigInt(Math.floor(ms / 1000)), 0);
  bytes.writeBigInt64LE(BigInt((ms % 1000) * 1000), 8);
  return bytes;
}
