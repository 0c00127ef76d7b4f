import { readFileSync, writeFileSync } from "node:fs";
import { inNetns } from "./netns.ts";
import { codeOf, systemError } from "./system-error.ts";

/**
 * Sets a sysctl of a network namespace (this process's own when `netns` is undefined).
 * `key` is the path below `/proc/sys/net`, e.g. `ipv4/conf/cali123/proxy_arp`: with slashes, as a link's name may hold dots.
 * Throws a `SystemError` that names the key when the kernel has none of that name or refuses the value.
 */
export function writeSysctl(netns: string | undefined, key: string, value: string | number): void {
  const path = pathOf(key);
  within(netns, () => {
    try {
      // "r+" because procfs must never be asked to create a file: a missing key is then ENOENT, not EACCES.
      writeFileSync(path, String(value), { flag: "r+" });
    } catch (error) {
      const where = netns === undefined ? "" : ` in ${netns}`;
      const detail = codeOf(error) === "ENOENT" ? "the kernel has no such setting" : undefined;
      throw systemError(`set sysctl net/${key} to ${value}${where}`, error, detail);
    }
  });
}

/** The value of a sysctl without the line's end, or undefined when the kernel has none of that name. Keys as in `writeSysctl`. */
export function readSysctl(netns: string | undefined, key: string): string | undefined {
  const path = pathOf(key);
  return within(netns, () => {
    try {
      return readFileSync(path, "utf8").trimEnd();
    } catch (error) {
      if (codeOf(error) === "ENOENT") return undefined;
      throw systemError(`read sysctl net/${key}${netns === undefined ? "" : ` in ${netns}`}`, error);
    }
  });
}

// --- internal ---

function pathOf(key: string): string {
  const parts = key.split("/");
  if (parts.some((part) => part === "" || part === "." || part === ".." || part.includes("\0"))) {
    throw new Error(`Cannot use ${JSON.stringify(key)} as a sysctl: it must be a plain path below /proc/sys/net`);
  }
  return `/proc/sys/net/${key}`;
}

function within<T>(netns: string | undefined, action: () => T): T {
  return netns === undefined ? action() : inNetns(netns, action);
}
