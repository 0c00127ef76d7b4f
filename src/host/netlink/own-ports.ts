import { randomInt } from "node:crypto";

/**
 * Whether a request of this netlink port was made by this process, in whatever namespace and protocol and however long ago, or by
 * a program that it keeps running.
 */
export function isOwnPort(port: number): boolean {
  return (port >= firstPort && port < nextPort) || programs.has(port);
}

/**
 * A port for one of this process's sockets, never given before: a number that the kernel gives nobody by itself, so that whoever
 * opens a socket later does not pass for this process.
 */
export function takePort(): number {
  return nextPort++;
}

/** This process keeps a program running of this process ID, which the program's first socket has for its port. */
export function noteProgram(pid: number): void {
  programs.add(pid);
}

/** The program has ended: its process ID may be another's soon. */
export function forgetProgram(pid: number): void {
  programs.delete(pid);
}

// --- internal ---

/** The kernel gives process IDs, up to PID_MAX_LIMIT, and numbers from 2^31 on: netlink_autobind() in net/netlink/af_netlink.c. */
const firstPort = randomInt(2 ** 22 + 1, 2 ** 30);
let nextPort = firstPort;
const programs = new Set<number>();
