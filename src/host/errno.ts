import { constants } from "node:os";

/** The kernel's name of an error number (positive), e.g. 17 is `EEXIST`; `errno 9999` for one without a name here. */
export function errnoName(errno: number): string {
  return nameByErrno.get(errno) ?? `errno ${errno}`;
}

// Two names share a number; these are the ones that kernel documentation uses.
const preferred = ["EAGAIN", "EOPNOTSUPP"] as const;

const nameByErrno: ReadonlyMap<number, string> = new Map([
  ...Object.entries(constants.errno).map(([name, errno]): [number, string] => [errno, name]),
  ...preferred.map((name): [number, string] => [constants.errno[name], name]),
]);
