import type { ObservedBgp } from "../plan/observed-bgp.ts";
import { BirdControl } from "./bird-control.ts";
import { parseProtocols } from "./parse-protocols.ts";
import { type DaemonStatus, parseStatus } from "./parse-status.ts";

/** The daemon and its sessions. */
export interface BirdStatus extends DaemonStatus, ObservedBgp {}

/** Asks the BIRD behind a control socket. Rejects with a BirdError, `unreachable` when BIRD does not run. */
export async function readBirdStatus(socketPath: string): Promise<BirdStatus> {
  using control = await BirdControl.connect(socketPath);
  return await askBirdStatus(control);
}

/** The same over a connection that is there already. Rejects with a BirdError, or an error when BIRD's format is another. */
export async function askBirdStatus(control: BirdControl): Promise<BirdStatus> {
  const [status, protocols] = await Promise.all([
    control.command("show status"),
    control.command("show protocols all"),
  ]);
  return { ...parseStatus(status), sessions: parseProtocols(protocols) };
}
