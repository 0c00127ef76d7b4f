import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";

const repository = join(import.meta.dirname, "../../..");

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "margay-bin-"));
  await mkdir(join(root, "bin"));
  await copyFile(join(repository, "bin/margay"), join(root, "bin/margay"));
  await symlink(join(repository, "node_modules"), join(root, "node_modules"));
  await write("package.json", '{ "type": "module" }', 100);
  await write("package-lock.json", "{}", 100);
  await write("src/cli/main.ts", 'console.log("source", ...process.argv.slice(2));', 100);
  await write("src/cli/other.ts", "", 100);
});

afterEach(() => rm(root, { recursive: true }));

/** A file that was last written at this time, in seconds since 1970; its folder too. */
async function write(path: string, text: string, at: number): Promise<void> {
  const whole = join(root, path);
  await mkdir(dirname(whole), { recursive: true });
  await writeFile(whole, text);
  for (const one of [whole, dirname(whole), join(root, "src")]) await utimes(one, at, at).catch(() => undefined);
}

async function said(...argv: readonly string[]): Promise<string> {
  return (await promisify(execFile)(join(root, "bin/margay"), argv)).stdout.trim();
}

test("without a bundle the sources run", async () => {
  expect(await said("get", "pods")).toBe("source get pods");
});

test("a bundle runs while it is newer than every source, and the agent from it too", async () => {
  await write("build/cli/main.mjs", 'console.log("bundle", ...process.argv.slice(2), ...process.execArgv);', 200);
  expect(await said("get")).toBe("bundle get");
  expect(await said("agent")).toBe("bundle agent --max-semi-space-size=2");
});

test.each(["src/cli/other.ts", "package-lock.json"])("never when %s is newer", async (path) => {
  await write("build/cli/main.mjs", 'console.log("bundle");', 200);
  await write(path, "", 300);
  expect(await said("get")).toBe("source get");
});
