import { readdirSync, readFileSync, readlinkSync, statfsSync, statSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { codeOf, SystemError, systemError } from "./system-error.ts";

/** A network namespace of this machine. */
export interface NetworkNamespace {
  /** What the kernel tells it by, e.g. `4026531840`. */
  readonly inode: string;
  /** What lead to it when it was found, at least one; each may have gone since, or lead to another namespace by now. */
  readonly paths: readonly string[];
  /** Where it is mounted, e.g. `/run/netns/x`; `net:[INODE]` when only processes hold it. */
  readonly name: string;
}

/**
 * Every network namespace that a process of this machine is in, that is mounted anywhere (for process 1 or for us), or
 * that one of `paths` leads to, by inode. What goes away meanwhile is left out; what may not be looked at is a `SystemError`,
 * since nobody could say then that a namespace is not there. A process 1 of a container's own hides the machine's: the agent
 * needs `hostPID`.
 */
export async function listNetworkNamespaces(
  paths: readonly string[] = [],
): Promise<ReadonlyMap<string, NetworkNamespace>> {
  const found = new Map<string, { name: string; paths: string[] }>();
  const add = (inode: string, path: string, name?: string) => {
    const known = found.get(inode);
    if (known === undefined) found.set(inode, { name: name ?? `net:[${inode}]`, paths: [path] });
    else if (known.paths.length < pathsKept && !known.paths.includes(path)) known.paths.push(path);
  };
  for (const path of paths) {
    const inode = inodeOfMount(path);
    if (inode !== undefined) add(inode, path, path);
  }
  for (const [process, root] of mountTables) {
    for (const { inode, path } of namespaceMounts(process)) {
      // A mount below another mount leads nowhere: the path is the upper one's.
      if (inodeAt(`${root}${path}`) === inode) add(inode, `${root}${path}`, path);
    }
  }
  let looked = 0;
  for (const pid of readdirSync("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    const inode = inodeOfLink(`/proc/${pid}/ns/net`);
    if (inode !== undefined) add(inode, `/proc/${pid}/ns/net`);
    if (++looked % processesPerTurn === 0) await nextTurn();
  }
  return new Map([...found].map(([inode, one]) => [inode, { inode, ...one }]));
}

/** The inode of the namespace that this process is in. */
export function ownNetworkNamespace(): string {
  const inode = inodeOfLink("/proc/self/ns/net");
  if (inode === undefined) throw new Error("Cannot find this process's own network namespace: is /proc mounted?");
  return inode;
}

/**
 * Whether a network namespace may be at an absolute path, as this process or process 1 sees it: also true when that cannot
 * be told. One whose inode is `except` does not count.
 */
export function mayLeadToNamespace(path: string, except?: string): boolean {
  return mountTables.some(([, root]) => {
    try {
      const inode = inodeOfMount(`${root}${path}`);
      return inode !== undefined && inode !== except;
    } catch (error) {
      if (error instanceof SystemError) return true;
      throw error;
    }
  });
}

// --- internal ---

/** Most namespaces have a handful of processes; the machine's own has thousands, and one of them is enough. */
const pathsKept = 8;
const processesPerTurn = 256;
const NSFS_MAGIC = 0x6e736673;

/** Whose mounts count, and what stands before a path of theirs. */
const mountTables = [
  ["1", "/proc/1/root"],
  ["self", ""],
] as const;

/** The lines of proc_pid_mountinfo(5) whose root is a network namespace. */
function namespaceMounts(process: string): readonly { readonly inode: string; readonly path: string }[] {
  const file = `/proc/${process}/mountinfo`;
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw systemError(`read ${file}`, cause);
  }
  return text.split("\n").flatMap((line) => {
    const [, , , root = "", point = ""] = line.split(" ");
    const inode = /^net:\[(\d+)\]$/.exec(root)?.[1];
    return inode === undefined ? [] : [{ inode, path: unescaped(point) }];
  });
}

/** Blanks, tabs, line ends and backslashes stand there as three octal digits. */
function unescaped(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

function inodeOfLink(path: string): string | undefined {
  const target = unlessGone(path, () => readlinkSync(path));
  if (target === undefined) return undefined;
  const inode = /^net:\[(\d+)\]$/.exec(target)?.[1];
  if (inode === undefined) throw new Error(`Cannot read ${path}: ${JSON.stringify(target)} is no network namespace`);
  return inode;
}

/** Undefined when the path leads to no namespace (any more): unmounted, it is the empty file that it was mounted on. */
function inodeOfMount(path: string): string | undefined {
  const type = unlessGone(path, () => statfsSync(path).type);
  return type === NSFS_MAGIC ? inodeAt(path) : undefined;
}

function inodeAt(path: string): string | undefined {
  return unlessGone(path, () => `${statSync(path, { bigint: true }).ino}`);
}

function unlessGone<T>(path: string, look: () => T): T | undefined {
  try {
    return look();
  } catch (cause) {
    if (["ENOENT", "ESRCH", "ENOTDIR"].includes(codeOf(cause) ?? "")) return undefined;
    throw systemError(`look at ${path}`, cause);
  }
}
