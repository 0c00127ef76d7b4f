import { createHash } from "node:crypto";

/** What the names of our ifb devices begin with, and no others': upstream's. */
export const ifbPrefix = "bwcali";

/** The device in which what comes from one host interface is queued: as upstream names it, 15 characters in all. */
export function ifbName(hostInterface: string): string {
  return `${ifbPrefix}${createHash("sha512")
    .update(hostInterface)
    .digest("hex")
    .slice(0, 15 - ifbPrefix.length)}`;
}
