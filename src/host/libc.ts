/**
 * The calls that Node has no function for. All but `poll` run on the calling thread and return at once.
 * Everything else is done with `node:fs` on the file descriptor.
 */
import koffi from "koffi";
import { errnoName } from "./errno.ts";
import { SystemError } from "./system-error.ts";

/** socket(2), closed on exec. The caller closes the descriptor with `fs.closeSync`. */
export function openSocket(family: number, type: number, protocol: number): number {
  return checked("open a socket", libc.socket(family, type | SOCK_CLOEXEC, protocol));
}

/** bind(2) to the bytes of a `struct sockaddr_*`. */
export function bindSocket(fd: number, address: Uint8Array): void {
  checked("bind a socket", libc.bind(fd, address, address.length));
}

/** connect(2), of a socket where that only says whom it speaks with: it returns at once. */
export function connectSocket(fd: number, address: Uint8Array): void {
  checked("connect a socket", libc.connect(fd, address, address.length));
}

/** setsockopt(2); a number is passed as an `int`. */
export function setSocketOption(fd: number, level: number, option: number, value: number | Uint8Array): void {
  const bytes = typeof value === "number" ? new Uint8Array(Int32Array.of(value).buffer) : value;
  checked(`set socket option ${level}/${option}`, libc.setsockopt(fd, level, option, bytes, bytes.length));
}

/** getsockname(2) of a bound netlink socket: the port that the kernel gave it (`nl_pid`, netlink(7)). */
export function netlinkPort(fd: number): number {
  const address = Buffer.alloc(12);
  checked("ask for a socket's address", libc.getsockname(fd, address, Uint32Array.of(address.length)));
  return address.readUInt32LE(4);
}

/**
 * poll(2) for what can be read, in a thread of libuv's pool, which it keeps meanwhile. Answers whether each can be (an error on
 * it counts), in order; none of them after `timeoutMs`. Neither the descriptors nor the process should be closed before.
 */
export async function pollReadable(fds: readonly number[], timeoutMs: number): Promise<readonly boolean[]> {
  const entries = new DataView(new ArrayBuffer(fds.length * POLLFD_BYTES));
  for (const [index, fd] of fds.entries()) {
    entries.setInt32(index * POLLFD_BYTES, fd, true);
    entries.setInt16(index * POLLFD_BYTES + 4, POLLIN, true);
  }
  const bytes = new Uint8Array(entries.buffer);
  await new Promise<void>((resolve, reject) => {
    // A signal that interrupts it is no error: nothing can be read yet.
    libc.poll.async(bytes, fds.length, timeoutMs, (error: unknown) => (error ? reject(error) : resolve()));
  });
  return fds.map((_, index) => entries.getInt16(index * POLLFD_BYTES + 6, true) !== 0);
}

/** setns(2): the calling thread enters the network namespace behind `fd`. Use `inNetns` instead. */
export function enterNetns(fd: number): void {
  checked("enter a network namespace", libc.setns(fd, CLONE_NEWNET));
}

/** flock(2), exclusive and without waiting: false while another open file has it. It ends with the descriptor. */
export function tryLock(fd: number): boolean {
  const result = libc.flock(fd, LOCK_EX | LOCK_NB);
  if (result < 0 && koffi.errno() === EWOULDBLOCK) return false;
  checked("lock a file", result);
  return true;
}

// --- internal ---

const SOCK_CLOEXEC = 0o2000000;
const CLONE_NEWNET = 0x40000000;
const LOCK_EX = 2;
const LOCK_NB = 4;
const EWOULDBLOCK = 11;
const POLLIN = 1;
/** Bytes of `struct pollfd`. */
const POLLFD_BYTES = 8;

interface Libc {
  readonly socket: (family: number, type: number, protocol: number) => number;
  readonly bind: (fd: number, address: Uint8Array, length: number) => number;
  readonly connect: (fd: number, address: Uint8Array, length: number) => number;
  readonly setsockopt: (fd: number, level: number, option: number, value: Uint8Array, length: number) => number;
  readonly setns: (fd: number, type: number) => number;
  readonly getsockname: (fd: number, address: Uint8Array, length: Uint32Array) => number;
  readonly flock: (fd: number, operation: number) => number;
  readonly poll: {
    async(fds: Uint8Array, count: number, timeoutMs: number, done: (error: unknown, ready: number) => void): void;
  };
}

const libc: Libc = loadLibc();

function loadLibc(): Libc {
  const library = koffi.load(null);
  return {
    socket: library.func("int socket(int family, int type, int protocol)"),
    bind: library.func("int bind(int fd, const uint8_t *address, uint32_t length)"),
    connect: library.func("int connect(int fd, const uint8_t *address, uint32_t length)"),
    setsockopt: library.func("int setsockopt(int fd, int level, int name, const uint8_t *value, uint32_t length)"),
    setns: library.func("int setns(int fd, int type)"),
    getsockname: library.func("int getsockname(int fd, _Inout_ uint8_t *address, _Inout_ uint32_t *length)"),
    flock: library.func("int flock(int fd, int operation)"),
    poll: library.func("int poll(uint8_t *fds, unsigned long count, int timeout)"),
  };
}

function checked(action: string, result: number): number {
  if (result < 0) throw new SystemError(action, errnoName(koffi.errno()));
  return result;
}
