import type { Ip } from "../../net/ip.ts";

/** One BGP session as BIRD shows it. */
export interface SessionStatus {
  readonly name: string;
  readonly neighbor: Ip;
  /** BIRD's own word for the protocol: `up`, `start`, `stop` or `down`. */
  readonly state: string;
  /** Local time on the node, `YYYY-MM-DD hh:mm:ss`, of the last change of `state`. */
  readonly since: string;
  /** The BGP state and the last error in one line, as `show protocols` has it. */
  readonly info: string;
}
