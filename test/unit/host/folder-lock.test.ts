import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test as base, expect } from "vitest";
import { FolderLock } from "../../../src/host/folder-lock.ts";
import { SystemError } from "../../../src/host/system-error.ts";

const test = base.extend("folder", async ({ task }, { onCleanup }) => {
  const folder = await mkdtemp(join(tmpdir(), `margay-lock-${task.id}-`));
  onCleanup(() => rm(folder, { recursive: true }));
  return folder;
});

test("two locks of one process exclude each other until the one is left", ({ folder }) => {
  const [one, other] = [new FolderLock(folder), new FolderLock(folder)];
  expect([one.take(), other.take(), one.take()]).toEqual([true, false, true]);
  one.release();
  expect([other.take(), one.take()]).toEqual([true, false]);
  other.release();
});

test("another process has it until it is killed", async ({ folder }) => {
  await using other = await holderOf(folder);
  const lock = new FolderLock(folder);
  expect(lock.take()).toBe(false);
  await other.kill();
  expect(lock.take()).toBe(true);
  lock.release();
});

test("a program that the process starts does not have it, and does not keep it", async ({ folder }) => {
  const lock = new FolderLock(folder);
  lock.take();
  const program = spawn("sleep", ["60"]);
  await once(program, "spawn");
  lock.release();
  const next = new FolderLock(folder);
  expect(next.take()).toBe(true);
  next.release();
  const gone = once(program, "exit");
  program.kill("SIGKILL");
  await gone;
});

test("a folder that is not there cannot be had yet", ({ folder }) => {
  const lock = new FolderLock(join(folder, "later"));
  expect(lock.take()).toBe(false);
  mkdirSync(join(folder, "later"));
  expect(lock.take()).toBe(true);
  lock.release();
});

test("what cannot be opened is an error that says so", ({ folder }) => {
  writeFileSync(join(folder, "file"), "");
  const lock = new FolderLock(join(folder, "file/below"));
  expect(() => lock.take()).toThrow(SystemError);
  expect(() => lock.take()).toThrow(/file\/below.*ENOTDIR/);
});

// --- internal ---

/** Another process that has the folder's lock. */
async function holderOf(folder: string) {
  const module = join(import.meta.dirname, "../../../src/host/folder-lock.ts");
  const script = `
    import { FolderLock } from ${JSON.stringify(module)};
    process.stdout.write(String(new FolderLock(${JSON.stringify(folder)}).take()));
    setInterval(() => {}, 1000);
  `;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const gone = once(child, "exit");
  const kill = async () => {
    child.kill("SIGKILL");
    await gone;
  };
  const [said] = await once(child.stdout, "data");
  expect(String(said)).toBe("true");
  return { kill, [Symbol.asyncDispose]: kill };
}
