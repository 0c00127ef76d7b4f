/**
 * The four calls that Node has no function for. They run on the calling thread and return at once.
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

/** setsockopt(2); a number is passed as an `int`. */
export function setSocketOption(fd: number, level: number, option: number, value: number | Uint8Array): void {
  const bytes = typeof value === "number" ? new Uint8Array(Int32Array.of(value).buffer) : value;
  checked(`set socket option ${level}/${option}`, libc.setsockopt(fd, level, option, bytes, bytes.length));
}

/** setns(2): the calling thread enters the network namespace behind `fd`. Use `inNetns` instead. */
export function enterNetns(fd: number): void {
  checked("enter a network namespace", libc.setns(fd, CLONE_NEWNET));
}

// --- internal ---

const SOCK_CLOEXEC = 0o2000000;
const CLONE_NEWNET = 0x40000000;

interface Libc {
  readonly socket: (family: number, type: number, protocol: number) => number;
  readonly bind: (fd: number, address: Uint8Array, length: number) => number;
  readonly setsockopt: (fd: number, level: number, option: number, value: Uint8Array, length: number) => number;
  readonly setns: (fd: number, type: number) => number;
}

const libc: Libc = loadLibc();

function loadLibc(): Libc {
  const library = koffi.load(null);
  return {
    socket: library.func("int socket(int family, int type, int protocol)"),
    bind: library.func("int bind(int fd, const uint8_t *address, uint32_t length)"),
    setsockopt: library.func("int setsockopt(int fd, int level, int name, const uint8_t *value, uint32_t length)"),
    setns: library.func("int setns(int fd, int type)"),
  };
}

function checked(action: string, result: number): number {
  if (result < 0) throw new SystemError(action, errnoName(koffi.errno()));
  return result;
}
