import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "../net/message-of.ts";
import type { CniDependencies } from "./dependencies.ts";

/**
 * Takes away what writers left half-written that were killed: attachments, leases, debts, holds, and DELs that the shim was to keep. Only
 * for the agent's start, when it writes nothing itself. What cannot be removed is reported and stays.
 */
export async function removeDrafts(node: CniDependencies): Promise<void> {
  const { host, attachments, leases, paths } = node;
  for (const folder of [attachments.folder, leases.folder, paths.intents, paths.journal, paths.holds]) {
    await reporting(node, folder, () => host.removeDrafts(folder));
  }
  await reporting(node, paths.spool, async () => {
    for (const name of await host.listFolder(paths.spool)) {
      const pid = shimDraft.exec(name)?.[1];
      const path = join(paths.spool, name);
      if (pid !== undefined) await reporting(node, path, () => removeShimDraft(path, pid, node));
    }
  });
}

// --- internal ---

/** As `spool` of shim.c names them: `.CONTAINER:INTERFACE.PID-RANDOM`. */
const shimDraft = /^\..*:.*\.([0-9]+)-[0-9a-f]{16}$/;

/** No shim takes so long to write a request. */
const oldMs = 60_000;

/** Leaves it when a shim may still be writing it: one that comes with the agent's start. */
async function removeShimDraft(path: string, pid: string, { host, clock }: CniDependencies): Promise<void> {
  const draft = statSync(path, { throwIfNoEntry: false });
  if (draft === undefined) return;
  if (clock.now() - draft.mtimeMs > oldMs || !existsSync(`/proc/${pid}`)) await host.removeFile(path);
}

async function reporting(node: CniDependencies, path: string, removal: () => Promise<void>): Promise<void> {
  try {
    await removal();
  } catch (error) {
    node.report("warn", `Cannot clear away half-written files at ${path}: ${messageOf(error)}`, { error });
  }
}
