/** A netlink socket whose events are read the moment they come, each read in a thread of its own: for telling when. */
import { read } from "node:fs";
import { bindSocket, openSocket, setSocketOption } from "../src/host/libc.ts";

/**
 * Subscribes to `groups` (a mask) of a netlink protocol in the thread's network namespace. A read waits half a second at most.
 * Throws a `SystemError`. The caller closes it, once no read is under way.
 */
export function openEvents(protocol: number, groups: number): number {
  const fd = openSocket(16, 3, protocol);
  const halfSecond = Buffer.alloc(16);
  halfSecond.writeBigInt64LE(500_000n, 8);
  setSocketOption(fd, 1, 20, halfSecond);
  setSocketOption(fd, 1, 33, 32 * 1024 * 1024);
  const address = Buffer.alloc(12);
  address.writeUInt16LE(16, 0);
  address.writeUInt32LE(groups, 8);
  bindSocket(fd, address);
  return fd;
}

/** Answers how many bytes have come; 0: nothing. */
export function readEvents(fd: number, buffer: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    read(fd, buffer, 0, buffer.length, null, (error, length) => {
      if (error === null) resolve(length);
      else if (error.code === "EAGAIN") resolve(0);
      else reject(error);
    });
  });
}
