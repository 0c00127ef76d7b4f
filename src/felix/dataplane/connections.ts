import { CommandError, type Host } from "../../host/host.ts";
import { type Ip, versionOf } from "../../net/ip.ts";

/**
 * Makes the kernel forget every connection of these addresses (conntrack(8)): as source, as destination, and behind a
 * Service. A pod that gets an address after another must not inherit what that one was allowed.
 * Rejects with a `CommandError` when the connections cannot be listed or deleted.
 */
export async function forgetConnections(host: Host, addresses: readonly Ip[]): Promise<void> {
  for (const ip of addresses) {
    for (const side of ["--orig-src", "--orig-dst", "--reply-src"]) await deleteWhere(host, side, ip);
  }
}

// --- internal ---

/** More often than entries can go by themselves at the very moment of their deletion. */
const maxTries = 10;

async function deleteWhere(host: Host, side: string, ip: Ip): Promise<void> {
  const family = versionOf(ip) === 4 ? "ipv4" : "ipv6";
  for (let tries = 1; ; tries++) {
    try {
      await host.run(["conntrack", "--delete", "--family", family, side, ip]);
      return;
    } catch (error) {
      if (!(error instanceof CommandError) || error.exitCode !== 1) throw error;
      // It ends with 1 when there was none to delete, and says so.
      if (error.stderr.includes(" 0 flow entries")) return;
      // It gives up at an entry that ended between its look and its deletion: the rest is still there.
      if (!error.stderr.includes("such conntrack doesn't exist") || tries === maxTries) throw error;
    }
  }
}
