import { BirdControl } from "./bird-control.ts";
import { parseProtocols } from "./parse-protocols.ts";
import { type DaemonStatus, parseStatus } from "./parse-status.ts";
import type { SessionStatus } from "./session-status.ts";

/** The daemon and its sessions. */
export interface BirdStatus extends DaemonStatus {
  readonly sessions: readonly SessionStatus[];
}

/** Asks the BIRD behind a control socket. Rejects with a BirdError, `unreachable` when BIRD does not run. */
export async function readBirdStatus(socketPath: string): Promise<BirdStatus> {
  using control = await BirdControl.connect(socketPath);
  const daemon = parseStatus(await control.command("show status"));
  return { ...daemon, sessions: parseProtocols(await control.command("show protocols all")) };
}
