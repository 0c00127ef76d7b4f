import type { RouteScope } from "./netlink.ts";

/** RT_SCOPE_* of a scope. */
export function scopeNumber(scope: RouteScope): number {
  return numbers[scope];
}

/** Inverse of `scopeNumber`; undefined for the scopes that have no name here (site, nowhere). */
export function scopeOf(number: number): RouteScope | undefined {
  return (["universe", "link", "host"] as const).find((scope) => numbers[scope] === number);
}

/** RT_SCOPE_NOWHERE: in a request to delete it stands for any scope. */
export const ANY_SCOPE = 255;

// --- internal ---

const numbers = { universe: 0, link: 253, host: 254 } as const;
