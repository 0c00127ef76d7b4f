/** The part of the machine's cgroup v1 hierarchies that a node with containerd and kubelet lives in. */
import { existsSync } from "node:fs";
import { readdir, rmdir } from "node:fs/promises";
import { join } from "node:path";
import type { NodeLayout } from "../layout.ts";
import { waitFor } from "../wait.ts";

const mounted = "/sys/fs/cgroup";
const needed = ["cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "pids"];

/** Throws a sentence when this machine has no such hierarchies. */
export function checkCgroups(): void {
  const missing = needed.filter((name) => !existsSync(join(mounted, name, "cgroup.procs")));
  if (missing.length > 0) {
    throw new Error(
      `Cannot run containerd and kubelet on a lab's node: ${mounted} has no cgroup v1 hierarchy ${missing.join(", ")}. ` +
        "Boot with systemd.unified_cgroup_hierarchy=0, or start the lab without --kubelet-nodes",
    );
  }
}

/** The argv to be put before a program that is to live in the node's directories, which are made. */
export function joinCgroups(node: NodeLayout): readonly [string, ...string[]] {
  return [join(import.meta.dirname, "join-cgroups.sh"), groupOf(node)];
}

/** Removes the node's directories with all below them. Its processes must be gone. Throws when one stays busy for 10 s. */
export async function removeCgroups(node: NodeLayout): Promise<void> {
  if (!existsSync(mounted)) return;
  for (const hierarchy of await readdir(mounted)) {
    const group = join(mounted, hierarchy, groupOf(node));
    if (!existsSync(group)) continue;
    // A control group is busy for a moment after its last process went.
    await waitFor(`${group} gone`, { timeoutMs: 10_000, everyMs: 50 }, async () => {
      await removeTree(group);
      return true;
    });
  }
}

// --- internal ---

/** Its name says whose it is, on a machine with several labs. */
function groupOf({ netns }: NodeLayout): string {
  return `margay-lab-${netns}`;
}

/** Files in there come and go with their directory, and cannot be removed. */
async function removeTree(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) await removeTree(join(folder, entry.name));
  }
  await rmdir(folder);
}
