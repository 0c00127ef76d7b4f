import type { KindName, Snapshot } from "../api/snapshot.ts";
import type { KubeClient } from "../kube/client.ts";
import type { EventRecorder } from "../kube/event-recorder.ts";
import type { Clock } from "../net/clock.ts";
import type { Agents } from "./agents.ts";
import type { Logger } from "./logger.ts";

/** One cluster-wide loop. It works only while this process leads. */
export interface Controller {
  readonly name: string;
  /** A change of one of these asks for a pass; many that come together ask once. */
  readonly watches: readonly KindName[];
  /** In how many milliseconds a pass is due though nothing changed; asked after each pass. Undefined: only on changes. */
  dueInMs(): number | undefined;
  /**
   * Brings the cluster to what the snapshot says, as far as it can now. Repeated with backoff when it rejects. `signal`
   * aborts when this process leads no more: nothing may be written after that.
   */
  pass(signal: AbortSignal): Promise<void>;
}

/** What every controller works with. */
export interface ControllerParts {
  readonly client: KubeClient;
  /** The watch cache. It may be old: what is irreversible needs a second look at the API server, and at the node. */
  readonly snapshot: Snapshot;
  readonly agents: Agents;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly logger: Logger;
}
