import { execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";

let count = 0;

/** A network namespace of its own for one test, and `ip` in it to compare with. Disposing of it deletes it. */
export interface TestNamespace extends Disposable {
  readonly name: string;
  readonly path: string;
  /** Runs `ip` in the namespace and answers what it printed. */
  ip(...args: readonly string[]): string;
  /** Runs `ip -j` in the namespace. */
  ipJson(...args: readonly string[]): readonly Record<string, unknown>[];
}

/** Makes a namespace with a name that no other test or process uses. */
export function makeNamespace(): TestNamespace {
  if (count === 0) sweep();
  const name = `mgt-${process.pid}-${count++}`;
  execFileSync("ip", ["netns", "add", name]);
  const ip = (...args: readonly string[]) => execFileSync("ip", ["-n", name, ...args], { encoding: "utf8" });
  return {
    name,
    path: `/run/netns/${name}`,
    ip,
    ipJson: (...args) => JSON.parse(ip("-j", ...args) || "[]"),
    [Symbol.dispose]: () => {
      execFileSync("ip", ["netns", "del", name]);
    },
  };
}

// --- internal ---

/** Deletes what test processes left that were killed. */
function sweep(): void {
  for (const name of existsSync("/run/netns") ? readdirSync("/run/netns") : []) {
    const owner = /^mgt-([0-9]+)-/.exec(name)?.[1];
    if (owner !== undefined && !existsSync(`/proc/${owner}`)) execFileSync("ip", ["netns", "del", name]);
  }
}
