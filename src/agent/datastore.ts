import type { NodeName } from "../api/names.ts";
import type { Change } from "../api/snapshot.ts";
import { ChangeFeed } from "../kube/change-feed.ts";
import type { KubeClient } from "../kube/client.ts";
import { agentKinds, type FedKind } from "../kube/fed-kinds.ts";
import type { RejectedObject } from "../kube/rejected-objects.ts";
import type { Clock } from "../net/clock.ts";
import { messageOf } from "../net/message-of.ts";
import { datastoreHealth } from "./health/agent-health.ts";
import type { PartHealth } from "./health/health-board.ts";
import type { Logger } from "./logger.ts";

export interface DatastoreParts {
  readonly node: NodeName;
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
  /** As `ChangeFeedOptions.onChanges`. */
  readonly onChanges: (changes: readonly Change[], receivedAt: number) => void;
}

/** The API server, as this agent follows it. */
export class Datastore {
  readonly #feed: ChangeFeed;
  /** Why it does not answer, by the kind that was asked for, until it does. */
  readonly #troubles = new Map<FedKind, string>();
  #isSynced = false;

  constructor({ node, client, clock, logger, onChanges }: DatastoreParts) {
    this.#feed = new ChangeFeed({
      ...{ node, client, clock, kinds: agentKinds, onChanges },
      onRejected: (report) =>
        logger.error(report, "cannot read an object: it is set aside; a policy denies, and a pool gives nothing"),
      onTrouble: ({ kind, error: err }) => {
        this.#troubles.set(kind, messageOf(err));
        logger.warn({ kind, err }, "cannot follow the API server: asking again");
      },
      onAnswer: (kind) => this.#troubles.delete(kind),
    });
  }

  /** To be called once. */
  start(): void {
    this.#feed.start();
  }

  /** Resolves when everything that there is has been told of. */
  async synced(): Promise<void> {
    await this.#feed.synced;
    this.#isSynced = true;
  }

  /** As `ChangeFeed.rejected`. */
  get rejected(): readonly RejectedObject[] {
    return this.#feed.rejected;
  }

  get state(): "waiting" | "syncing" | "in sync" {
    if (this.#isSynced) return "in sync";
    return this.#troubles.size === 0 ? "syncing" : "waiting";
  }

  health(): PartHealth {
    const [trouble] = this.#troubles.values();
    return datastoreHealth({ isSynced: this.#isSynced, trouble });
  }

  /** As `ChangeFeed.stop`. */
  stop(): Promise<void> {
    return this.#feed.stop();
  }
}
