import { setImmediate as immediate } from "node:timers/promises";
import type { NodePlan } from "../felix/calc/plan.ts";
import { ConnectionJudge, type Forbidden } from "../felix/calc/verdict/connection-judge.ts";
import { touchedAddresses } from "../felix/calc/verdict/touched-endpoints.ts";
import type { ConntrackNetlink } from "../host/netlink/conntrack-netlink.ts";
import type { FoundConnection } from "../host/netlink/found-connection.ts";
import type { Clock } from "../net/clock.ts";
import type { Ip } from "../net/ip.ts";
import type { Logger } from "./logger.ts";

export interface PolicyConnectionsParts {
  /** `report`: they are told and go on. `end`: they are told, and the kernel forgets them. */
  readonly mode: "report" | "end";
  readonly connections: Pick<ConntrackNetlink, "find" | "end">;
  /** Every address that the node itself has, on whatever interface. */
  readonly ownAddresses: () => Promise<readonly Ip[]>;
  /** Writes a setting below /proc/sys/net of the node. Throws when it cannot. */
  readonly writeSysctl: (key: string, value: number) => void;
  readonly clock: Clock;
  readonly logger: Pick<Logger, "info" | "error">;
}

/**
 * Established connections of this node's workloads that policy allowed and that changed policy forbids: rules alone judge only
 * first packets. Looked for once the kernel has the new rules, so that nothing that is forbidden can begin any more; a second
 * after a change at the earliest, and so seldom that it takes a twentieth of the time at most. What was never allowed is left
 * alone, as are host endpoints' connections.
 *
 * With `end` the kernel takes TCP packets of no known connection for invalid (nf_conntrack_tcp_loose), until somebody sets that
 * otherwise: else the far end, which goes on sending, would make of an ended connection a new one the other way round (seen).
 */
export class PolicyConnections {
  readonly #parts: PolicyConnectionsParts;
  readonly #stopped = new AbortController();
  /** What the kernel had since the last look, before `#now`: what any of them allowed may be there. */
  #before: NodePlan[] = [];
  #now: NodePlan | undefined;
  #looking: Promise<void> | undefined;
  #pauseMs = leastPauseMs;

  constructor(parts: PolicyConnectionsParts) {
    this.#parts = parts;
    if (parts.mode === "end") this.#takeNoneUp();
  }

  /** The kernel has acknowledged the plan. What was in force before the first one is not known, so with it nothing is looked for. */
  applied(plan: NodePlan): void {
    const last = this.#now;
    this.#now = plan;
    if (last === undefined || saysTheSame(last, plan)) return;
    this.#before = [...this.#before, last].slice(-mostPlans);
    this.#looking ??= this.#follow();
  }

  /** No look begins any more. */
  stop(): void {
    this.#stopped.abort();
  }

  /** Resolves when no look runs. */
  async ended(): Promise<void> {
    await this.#looking;
  }

  #takeNoneUp(): void {
    const { writeSysctl, logger } = this.#parts;
    try {
      writeSysctl("netfilter/nf_conntrack_tcp_loose", 0);
    } catch (err) {
      logger.error({ err }, "cannot keep ended TCP connections from being taken up again by their far end");
    }
  }

  async #follow(): Promise<void> {
    const { clock, logger } = this.#parts;
    const { signal } = this.#stopped;
    while (this.#before.length > 0 && !signal.aborted) {
      // It rejects only when stopped.
      await clock.sleep(this.#pauseMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      const before = this.#before;
      this.#before = [];
      try {
        await this.#look(before);
      } catch (err) {
        this.#before = [...before, ...this.#before].slice(-mostPlans);
        this.#pauseMs = Math.min(this.#pauseMs * 2, mostPauseMs);
        logger.error({ err }, "cannot look for connections that changed policy forbids: trying again");
      }
    }
    this.#looking = undefined;
  }

  async #look(before: readonly NodePlan[]): Promise<void> {
    const { clock, connections, mode } = this.#parts;
    const now = this.#now;
    if (now === undefined) return;
    const startedAt = clock.monotonicNow();
    const addresses = [...new Set(before.flatMap((one) => touchedAddresses(one, now)))];
    if (addresses.length > 0) {
      const own = new Set(await this.#parts.ownAddresses());
      const isOwn = (ip: Ip) => own.has(ip);
      const judges = {
        now: new ConnectionJudge(now, isOwn),
        before: before.map((one) => new ConnectionJudge(one, isOwn)),
      };
      const forbidden = await newlyForbidden(await connections.find(addresses), judges);
      // It may have been switched off meanwhile.
      if (this.#stopped.signal.aborted) return;
      if (mode === "end") await connections.end(forbidden.map(({ connection }) => connection));
      this.#tell(forbidden);
    }
    const tookMs = clock.monotonicNow() - startedAt;
    this.#pauseMs = Math.min(Math.max(leastPauseMs, idleShare * tookMs), mostPauseMs);
  }

  #tell(forbidden: readonly ForbiddenConnection[]): void {
    if (forbidden.length === 0) return;
    const { logger, mode } = this.#parts;
    const ended = mode === "end";
    for (const { connection, by } of forbidden.slice(0, mostLines)) {
      const { handle: _, ...ends } = connection;
      logger.info({ ...ends, ...by, ended }, "changed policy forbids an established connection");
    }
    logger.info({ connections: forbidden.length, ended }, "changed policy forbids established connections");
  }
}

// --- internal ---

/** What was in force before these is not looked back at: a look that keeps failing must not keep every plan there was. */
const mostPlans = 100;

const leastPauseMs = 1000;
const mostPauseMs = 60_000;
/** A look that took so long is followed by a pause of so many times that. */
const idleShare = 20;

/** How many connections a look tells one by one. */
const mostLines = 20;

/** How many are judged before others get their turn. */
const judgedAtOnce = 500;

interface ForbiddenConnection {
  readonly connection: FoundConnection;
  readonly by: Forbidden;
}

interface Judges {
  readonly now: ConnectionJudge;
  readonly before: readonly ConnectionJudge[];
}

function saysTheSame(a: NodePlan, b: NodePlan): boolean {
  return a.endpoints === b.endpoints && a.policies === b.policies && a.sets === b.sets;
}

async function newlyForbidden(
  found: readonly FoundConnection[],
  { now, before }: Judges,
): Promise<readonly ForbiddenConnection[]> {
  const forbidden: ForbiddenConnection[] = [];
  for (const [index, connection] of found.entries()) {
    if (index % judgedAtOnce === judgedAtOnce - 1) await immediate();
    const by = now.forbiddenBy(connection);
    const wasAllowed = (judge: ConnectionJudge) =>
      judge.judges(connection) && judge.forbiddenBy(connection) === undefined;
    // Of a closed endpoint the rules drop every packet, and what it had goes on when its pod is known again.
    if (by !== undefined && by.by.kind !== "closed" && before.some(wasAllowed)) forbidden.push({ connection, by });
  }
  return forbidden;
}
