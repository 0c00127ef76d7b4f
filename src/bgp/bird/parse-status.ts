import type { BirdReply } from "./reply-reader.ts";

/** The daemon as a whole. Times are local to the node, `YYYY-MM-DD hh:mm:ss`. */
export interface DaemonStatus {
  readonly version: string;
  readonly routerId: string;
  /** Its clock as it answered, against which its other times are to be held. */
  readonly serverTime: string;
  readonly lastReboot: string;
  readonly lastReconfiguration: string;
  /** It has been started anew, and waits for its neighbours' routes before it touches the kernel's (RFC 4724). */
  readonly isRecovering: boolean;
}

/** Reads an answer to `show status`. Throws when one of its facts is not there. */
export function parseStatus(reply: BirdReply): DaemonStatus {
  const texts = reply.lines.map(({ text }) => text.trim());
  const find = (what: string, pattern: RegExp): string => {
    for (const text of texts) {
      const found = pattern.exec(text)?.[1];
      if (found !== undefined) return found;
    }
    throw new Error(`Cannot read BIRD's status: it does not tell its ${what}`);
  };
  return {
    version: find("version", /^BIRD (\S+)$/),
    routerId: find("router ID", /^Router ID is (\S+)$/),
    serverTime: find("time", /^Current server time is (.+)$/),
    lastReboot: find("last reboot", /^Last reboot on (.+)$/),
    lastReconfiguration: find("last reconfiguration", /^Last reconfiguration on (.+)$/),
    isRecovering: texts.some((text) => text.startsWith("Graceful restart recovery in progress")),
  };
}

/** How long ago `time` was by the daemon's own clock, in milliseconds; undefined when it is no such time. */
export function msSince({ serverTime }: Pick<DaemonStatus, "serverTime">, time: string): number | undefined {
  const ms = millisOf(serverTime) - millisOf(time);
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}

// --- internal ---

/** Both times are of one clock, so that its zone does not matter. NaN for another form. */
function millisOf(time: string): number {
  return Date.parse(`${time.slice(0, 19).replace(" ", "T")}Z`);
}
