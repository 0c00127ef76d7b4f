import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { LinuxHost } from "../../../src/host/linux-host.ts";
import { runProgram } from "../../../src/host/run-program.ts";
import { hostContract } from "../../contract/host.ts";

hostContract(() => new LinuxHost());

test("a half-written replacement that a crash left behind is not listed", async () => {
  const folder = await mkdtemp(join(tmpdir(), "margay-host-"));
  await writeFile(join(folder, ".x.1-0.replacing"), "half");
  await writeFile(join(folder, ".hidden"), "");
  expect(await new LinuxHost().listFolder(folder)).toEqual([".hidden"]);
  expect(await readdir(folder)).toHaveLength(2);
  await rm(folder, { recursive: true });
});

test("a program that says too much is stopped", async () => {
  const running = runProgram(["cat", "/dev/zero"], {}, 100_000);
  await expect(running).rejects.toThrow("Cannot run cat /dev/zero: it was stopped: it said more than 100000 bytes");
});
