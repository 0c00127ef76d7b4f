import type { Kind } from "../api/kinds.ts";

/** What an event is about. */
export interface EventSubject {
  readonly kind: Kind;
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
}

/** Tells people through `kubectl get events` (events.k8s.io/v1). */
export interface EventRecorder {
  /**
   * `reason` is one CamelCase word. The same again soon is counted, not repeated. Never rejects: a failure is logged, as
   * no work may wait for a remark.
   */
  record(subject: EventSubject, type: "Normal" | "Warning", reason: string, message: string): void;
}
