import { CniError, cniCode } from "./cni-error.ts";
import { type CniVersion, supportedVersions } from "./net-conf.ts";
import type { RawRequest, Verb } from "./request.ts";

/** What one of the two executables does for each verb; each resolves to the text for standard output. */
export interface Role {
  /** `hangUp` aborts when the caller has gone. */
  add(request: RawRequest, hangUp: AbortSignal): Promise<string>;
  /** Asks as little of its input as it can, and goes on to its end when the caller hangs up: nothing may stay behind. */
  del(request: RawRequest): Promise<string>;
  /** Takes away what an ADD left that was cut short, if it was: an ADD that has ended since is left alone. */
  undo(request: RawRequest): Promise<void>;
  check(request: RawRequest): Promise<string>;
  status(request: RawRequest): Promise<string>;
  gc(request: RawRequest): Promise<string>;
}

/** Throws a `CniError` (1) for a verb that came later: CHECK with specification 0.4.0, STATUS and GC with 1.1.0. */
export function requireVersion(verb: Verb, cniVersion: CniVersion): void {
  const since = { ADD: "0.1.0", DEL: "0.1.0", CHECK: "0.4.0", STATUS: "1.1.0", GC: "1.1.0" } as const;
  if (supportedVersions.indexOf(cniVersion) >= supportedVersions.indexOf(since[verb])) return;
  const sentence = `Cannot do ${verb} for cniVersion ${cniVersion}: it came with ${since[verb]}`;
  throw new CniError(cniCode.incompatibleVersion, sentence);
}
