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

test("a folder that cannot be made ends at once, and is named", async () => {
  // The kernel answers ENOENT, though /proc is there: whoever makes the parent first and tries again never ends.
  for (const folder of ["/proc/none", "/proc/none/deeper"]) {
    await expect(new LinuxHost().replaceFile(`${folder}/x`, "text")).rejects.toThrow(
      `Cannot replace ${folder}/x: ENOENT (its folder ${folder} cannot be made)`,
    );
  }
});

test("a file where a folder must be is said to be none", async () => {
  const folder = await mkdtemp(join(tmpdir(), "margay-host-"));
  await writeFile(join(folder, "file"), "");
  for (const path of [join(folder, "file/x"), join(folder, "file/deeper/x")]) {
    await expect(new LinuxHost().replaceFile(path, "text")).rejects.toMatchObject({ code: "ENOTDIR" });
  }
  await rm(folder, { recursive: true });
});

test("folders that several make at the same time are made", async () => {
  const folder = await mkdtemp(join(tmpdir(), "margay-host-"));
  const paths = Array.from({ length: 20 }, (_, index) => join(folder, `a/b/c/d/${index}`));
  await Promise.all(paths.map((path) => new LinuxHost().replaceFile(path, "text")));
  expect(await readdir(join(folder, "a/b/c/d"))).toHaveLength(20);
  await rm(folder, { recursive: true });
});

test("a program that says too much is stopped", async () => {
  const running = runProgram(["cat", "/dev/zero"], {}, 100_000);
  await expect(running).rejects.toThrow("Cannot run cat /dev/zero: it was stopped: it said more than 100000 bytes");
});
