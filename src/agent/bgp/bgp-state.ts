import type { Snapshot } from "../../api/snapshot.ts";
import type { BirdConfig } from "../../bgp/plan/bird-config.ts";
import type { Observation } from "./observer.ts";
import type { SessionTracks } from "./session-tracks.ts";

/** All that is known of this node's BGP now: what there is to tell. */
export interface BgpState {
  readonly observed: Observation;
  readonly tracks: Pick<SessionTracks, "of" | "reconfigurations">;
  /** The configuration that BIRD took last; undefined while it took none of this process. */
  readonly configured: BirdConfig | undefined;
  readonly nodes: Snapshot["node"];
}
