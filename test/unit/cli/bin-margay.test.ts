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
  await write("package.json", '{ "type": "module" }');
  await write("package-lock.json", "{}");
  await write("src/cli/main.ts", 'console.log("source", ...process.argv.slice(2));');
  await write("src/cli/other.ts", "");
});

afterEach(() => rm(root, { recursive: true }));

async function write(path: string, text: string): Promise<void> {
  const whole = join(root, path);
  await mkdir(dirname(whole), { recursive: true });
  await writeFile(whole, text);
}

/** A bundle that was begun so many seconds from now. */
async function bundle(fromNow: number): Promise<void> {
  await write("build/cli/main.mjs", 'console.log("bundle", ...process.argv.slice(2), ...process.execArgv);');
  const at = Date.now() / 1000 + fromNow;
  await utimes(join(root, "build/cli/main.mjs"), at, at);
}

async function said(argv: readonly string[], env = process.env): Promise<string> {
  return (await promisify(execFile)(join(root, "bin/margay"), argv, { env })).stdout.trim();
}

test("without a bundle the sources run", async () => {
  expect(await said(["get", "pods"])).toBe("source get pods");
});

test("a bundle runs while nothing was changed after it, and the agent from it too", async () => {
  await bundle(100);
  expect(await said(["get"])).toBe("bundle get");
  expect(await said(["agent"])).toBe("bundle agent --min-semi-space-size=8 --max-semi-space-size=8");
});

test("never when something was, although a copy or an archive has made it look old", async () => {
  await bundle(-100);
  for (const path of ["src/cli/main.ts", "src/cli/other.ts", "package-lock.json"]) {
    await utimes(join(root, path), 1, 1);
    expect(await said(["get"])).toBe("source get");
  }
});

test("nor when that cannot be told", async () => {
  await bundle(100);
  await mkdir(join(root, "empty"));
  for (const name of ["readlink", "dirname"]) await symlink(`/usr/bin/${name}`, join(root, "empty", name));
  expect(await said(["get"], { PATH: join(root, "empty") })).toBe("source get");
});
