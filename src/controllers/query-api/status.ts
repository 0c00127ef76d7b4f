/** What the API server's clients understand as a refusal: metav1.Status. */
export interface ApiStatus {
  readonly kind: "Status";
  readonly apiVersion: "v1";
  readonly metadata: Record<string, never>;
  readonly status: "Failure";
  readonly message: string;
  readonly reason: string;
  readonly code: number;
}

/** A refusal on its way to the client. */
export class StatusError extends Error {
  override readonly name = "StatusError";
  readonly code: StatusCode;

  constructor(code: StatusCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

export type StatusCode = keyof typeof reasons;

/** The object that goes out. */
export function statusOf(code: StatusCode, message: string): ApiStatus {
  return { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message, reason: reasons[code], code };
}

// --- internal ---

/** metav1.StatusReason. */
const reasons = {
  400: "BadRequest",
  401: "Unauthorized",
  403: "Forbidden",
  404: "NotFound",
  405: "MethodNotAllowed",
  500: "InternalError",
  503: "ServiceUnavailable",
} as const;
