/**
 * BIRD did not do what it was asked.
 * `unreachable`: nothing answers on the socket (not started, stopped, or no such file); `closed`: it went away before its
 * answer was whole; `timeout`: no answer in time; `refused`: it answered with an error; `protocol`: what answers is not BIRD.
 */
export class BirdError extends Error {
  readonly reason: "unreachable" | "closed" | "timeout" | "refused" | "protocol";
  readonly socketPath: string;
  /** What happened, by itself: BIRD's own words when it refused. */
  readonly detail: string;
  /** BIRD's reply code, 8000 to 9999, when it refused. */
  readonly code: number | undefined;

  constructor(facts: {
    action: string;
    reason: BirdError["reason"];
    socketPath: string;
    detail: string;
    code?: number;
    cause?: unknown;
  }) {
    super(`Cannot ${facts.action} by BIRD's control socket ${facts.socketPath}: ${facts.detail}`, {
      cause: facts.cause,
    });
    this.name = "BirdError";
    this.reason = facts.reason;
    this.socketPath = facts.socketPath;
    this.detail = facts.detail;
    this.code = facts.code;
  }
}
