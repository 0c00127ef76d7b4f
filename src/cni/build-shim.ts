import { copyFile, mkdir, rename } from "node:fs/promises";
import { join } from "node:path";
import type { Host } from "../host/host.ts";

export interface ShimOptions {
  /** Where `calico` and `calico-ipam` go. */
  readonly folder: string;
  /** Compiled in, as nothing in a runtime's environment may lead the shim elsewhere. The node's own paths when absent. */
  readonly socketPath?: string;
  readonly spoolFolder?: string;
  /** How long an ADD waits for an agent; 10 s when absent. */
  readonly waitMs?: number;
}

/**
 * Compiles the CNI executables: one small static program under both names. Needs gcc with a static C library (`libc6-dev`).
 * Rejects with a `CommandError` that quotes the compiler when it refuses.
 */
export async function buildShim(host: Host, { folder, socketPath, spoolFolder, waitMs }: ShimOptions): Promise<void> {
  await mkdir(folder, { recursive: true });
  const program = join(folder, "calico");
  await host.run([
    "gcc",
    ...["-static", "-Os", "-s", "-Wall", "-Wextra", "-Werror"],
    ...(socketPath === undefined ? [] : [`-DMARGAY_SOCKET=${JSON.stringify(socketPath)}`]),
    ...(spoolFolder === undefined ? [] : [`-DMARGAY_SPOOL=${JSON.stringify(spoolFolder)}`]),
    ...(waitMs === undefined ? [] : [`-DMARGAY_WAIT_MS=${waitMs}`]),
    ...["-o", program, join(import.meta.dirname, "shim.c")],
  ]);
  // Renamed over, as the kernel refuses to write to a program that runs.
  const copy = join(folder, ".calico-ipam.new");
  await copyFile(program, copy);
  await rename(copy, join(folder, "calico-ipam"));
}
