import { messageOf } from "../net/message-of.ts";

/** The machine refused something. `code` is the errno name, e.g. `ENOENT`. */
export class SystemError extends Error {
  readonly code: string;

  /** `action` completes "Cannot …"; `detail` says what the code means here. */
  constructor(action: string, code: string, options: { readonly detail?: string; readonly cause?: unknown } = {}) {
    super(`Cannot ${action}: ${code}${options.detail === undefined ? "" : ` (${options.detail})`}`, {
      cause: options.cause,
    });
    this.name = "SystemError";
    this.code = code;
  }
}

/** The errno name in something thrown, or undefined when it carries none. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/** What Node's file functions threw, as a `SystemError` that names the action. */
export function systemError(action: string, cause: unknown, detail?: string): SystemError {
  const code = codeOf(cause) ?? messageOf(cause);
  return new SystemError(action, code, detail === undefined ? { cause } : { detail, cause });
}
