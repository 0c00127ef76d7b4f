import { messageOf } from "../net/message-of.ts";
import type { CniDependencies } from "./dependencies.ts";

/**
 * Removes the files that the machine's last crash cut short: attachments and leases are not synced. What they told of went
 * with the machine, and the next DEL, or garbage collection, gives back its addresses. A file that cannot be read for another
 * reason stays. What fails is reported.
 */
export async function forgetEarlierBoot(node: CniDependencies): Promise<void> {
  const { host, paths, attachments, leases, report } = node;
  try {
    const bootId = await host.readFile(bootIdFile);
    const lastBootId = await host.readFile(paths.bootId);
    if (bootId === undefined || bootId === lastBootId) return;
    const unreadable = [...(await attachments.listUnreadable()), ...(await leases.listUnreadable())];
    // Of the first boot that is known, nothing was cut short before it.
    for (const { path } of lastBootId === undefined ? [] : unreadable) {
      await host.removeFile(path);
      report("warn", `The machine has started anew, and ${path} from before cannot be read: it is removed`);
    }
    await host.replaceFile(paths.bootId, bootId, 0o600);
  } catch (error) {
    report("error", `Cannot look for files that a crash of the machine cut short: ${messageOf(error)}`, { error });
  }
}

// --- internal ---

/** Another one with each start of the machine (random(4)). */
const bootIdFile = "/proc/sys/kernel/random/boot_id";
