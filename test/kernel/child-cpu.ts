import { readFileSync } from "node:fs";

/** CPU time of this process's children that have ended, in ms (proc(5), `cutime` and `cstime`, in hundredths of a second). */
export function childCpuMs(): number {
  const fields = readFileSync("/proc/self/stat", "utf8").split(") ")[1]?.split(" ") ?? [];
  return 10 * (Number(fields[13]) + Number(fields[14]));
}
