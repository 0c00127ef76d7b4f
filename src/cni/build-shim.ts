import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LinuxHost } from "../host/linux-host.ts";

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
 * Compiles the CNI executables: one small static program under both names, each put there in one step. Needs gcc with
 * musl (`musl-tools`): a program of glibc takes three times as long to start, as it asks the CPU for all that it can do, which
 * costs most on a virtual machine. Rejects with a `CommandError` that quotes the compiler when it refuses.
 */
export async function buildShim(
  host: LinuxHost,
  { folder, socketPath, spoolFolder, waitMs }: ShimOptions,
): Promise<void> {
  const scratch = await mkdtemp(join(tmpdir(), "margay-shim-"));
  try {
    const program = join(scratch, "calico");
    await host.run([
      "musl-gcc",
      ...["-static", "-Os", "-s", "-Wall", "-Wextra", "-Werror"],
      ...(socketPath === undefined ? [] : [`-DMARGAY_SOCKET=${JSON.stringify(socketPath)}`]),
      ...(spoolFolder === undefined ? [] : [`-DMARGAY_SPOOL=${JSON.stringify(spoolFolder)}`]),
      ...(waitMs === undefined ? [] : [`-DMARGAY_WAIT_MS=${waitMs}`]),
      ...["-o", program, join(import.meta.dirname, "shim.c")],
    ]);
    const bytes = await readFile(program);
    for (const name of ["calico", "calico-ipam"]) await host.replaceFile(join(folder, name), bytes, 0o755);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
