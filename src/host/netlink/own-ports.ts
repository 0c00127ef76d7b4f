/**
 * Whether a request of this netlink port was made by this process, or by a program that it keeps running: its sockets' ports and
 * those programs' process IDs, of whatever namespace and protocol; also of some that were closed lately, as their events come
 * after them. A port is one process's at a time.
 */
export function isOwnPort(port: number): boolean {
  return open.has(port) || closed.has(port);
}

/** One of this process's sockets has this port; or it keeps a program running of this process ID, whose first socket has it. */
export function notePort(port: number): void {
  open.set(port, (open.get(port) ?? 0) + 1);
}

/** What was noted once is closed, or has ended. */
export function releasePort(port: number): void {
  const left = (open.get(port) ?? 0) - 1;
  if (left > 0) {
    open.set(port, left);
    return;
  }
  open.delete(port);
  closed.delete(port);
  closed.add(port);
  const [oldest] = closed;
  if (closed.size > REMEMBERED && oldest !== undefined) closed.delete(oldest);
}

// --- internal ---

const REMEMBERED = 64;
/** How many have it: in two namespaces a port is two sockets'. */
const open = new Map<number, number>();
const closed = new Set<number>();
