import { NetlinkError } from "../host/netlink/netlink.ts";
import { IpamError } from "../ipam/ipam.ts";
import { KubeUnreachableError } from "../kube/client.ts";
import { messageOf } from "../net/message-of.ts";

/** Error codes of the CNI specification (section "Error"); 100 and above are this plugin's own. */
export const cniCode = {
  incompatibleVersion: 1,
  unsupportedField: 2,
  invalidEnvironment: 4,
  ioFailure: 5,
  invalidJson: 6,
  invalidConfiguration: 7,
  sameNamespace: 8,
  tryAgainLater: 11,
  unavailable: 50,
  unknownPod: 100,
  noAddress: 101,
  wiringFailed: 102,
  checkFailed: 103,
  ipamFailed: 104,
} as const;

/** The answer to a request that failed: a code, what went wrong, and optionally the detail behind it. */
export class CniError extends Error {
  readonly code: number;
  readonly details: string | undefined;

  constructor(code: number, message: string, options: { readonly details?: string; readonly cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = "CniError";
    this.code = code;
    this.details = options.details;
  }
}

/** What the runtime is told about any failure. An undo that failed too is added to the details of the first failure. */
export function cniErrorOf(error: unknown): CniError {
  if (error instanceof CniError) return error;
  const [first, ...undoing] = failuresOf(error);
  if (undoing.length > 0) {
    const { code, message, details } = cniErrorOf(first);
    const undo = `Undoing it failed too: ${undoing.map((one) => messageOf(one)).join("; ")}`;
    return new CniError(code, message, { details: details === undefined ? undo : `${details}; ${undo}`, cause: error });
  }
  if (error instanceof KubeUnreachableError) return of(cniCode.tryAgainLater, error);
  if (error instanceof IpamError)
    return of(error.reason === "contended" ? cniCode.tryAgainLater : cniCode.noAddress, error);
  if (error instanceof NetlinkError) return of(cniCode.wiringFailed, error);
  return of(cniCode.ioFailure, error);
}

/** The error object of the specification, as the plugin prints it. */
export function formatCniError(error: CniError, cniVersion: string): string {
  return JSON.stringify({ cniVersion, code: error.code, msg: error.message, details: error.details ?? "" });
}

// --- internal ---

/** What failed, in the order it did: a disposal that fails wraps the failure before it, and IPAM puts its undoing second. */
function failuresOf(error: unknown): readonly unknown[] {
  if (error instanceof SuppressedError) return [...failuresOf(error.suppressed), ...failuresOf(error.error)];
  return error instanceof AggregateError ? error.errors.flatMap((one) => failuresOf(one)) : [error];
}

function of(code: number, error: unknown): CniError {
  const cause = error instanceof Error && error.cause !== undefined ? messageOf(error.cause) : undefined;
  return new CniError(code, messageOf(error), { cause: error, ...(cause === undefined ? {} : { details: cause }) });
}
