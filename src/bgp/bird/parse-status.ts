import type { BirdReply } from "./reply-reader.ts";

/** The daemon as a whole. Times are local to the node, `YYYY-MM-DD hh:mm:ss`. */
export interface DaemonStatus {
  readonly version: string;
  readonly routerId: string;
  readonly lastReboot: string;
}

/** Reads an answer to `show status`. Throws when one of its facts is not there. */
export function parseStatus(reply: BirdReply): DaemonStatus {
  const find = (what: string, pattern: RegExp): string => {
    for (const { text } of reply.lines) {
      const found = pattern.exec(text.trim())?.[1];
      if (found !== undefined) return found;
    }
    throw new Error(`Cannot read BIRD's status: it does not tell its ${what}`);
  };
  return {
    version: find("version", /^BIRD (\S+)$/),
    routerId: find("router ID", /^Router ID is (\S+)$/),
    lastReboot: find("last reboot", /^Last reboot on (.+)$/),
  };
}
