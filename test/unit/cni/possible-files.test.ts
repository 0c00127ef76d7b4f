import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { PossibleFiles } from "../../../src/cni/possible-files.ts";
import { LinuxHost } from "../../../src/host/linux-host.ts";

let folder = "";
let asked: string[] = [];
/** Removals are answered after it. */
let answer: Promise<void> | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "margay-possible-"));
  asked = [];
  answer = undefined;
});
afterEach(() => rm(folder, { recursive: true, force: true }));

class AskedHost extends LinuxHost {
  override readFile(path: string) {
    asked.push(`read ${path.slice(folder.length + 1)}`);
    return super.readFile(path);
  }
  override async removeFile(path: string) {
    asked.push(`remove ${path.slice(folder.length + 1)}`);
    await super.removeFile(path);
    await answer;
  }
  override listFolder(path: string) {
    asked.push("list");
    return super.listFolder(path);
  }
}

const host = new AskedHost();
const open = (path = folder) => new PossibleFiles(host, path);
const writing = (text: string) => (path: string) => host.replaceUnsynced(path, text);

test("what is not there is neither read nor removed, and the folder is read once", async () => {
  const files = open();
  await Promise.all([files.remove("a"), files.remove("b")]);
  expect(await files.read("a")).toBeUndefined();
  expect(asked).toEqual(["list"]);
});

test("what was there before, what is written and what others write before a list is known, until it is removed", async () => {
  await writeFile(join(folder, "a"), "old");
  const files = open();
  expect(await files.read("a")).toBe("old");
  await files.write("b", writing("new"));
  expect(await files.read("b")).toBe("new");
  await writeFile(join(folder, "c"), "other's");
  expect(await files.list()).toEqual(["a", "b", "c"]);
  expect(await files.read("c")).toBe("other's");
  for (const name of ["a", "b", "c"]) {
    await files.remove(name);
    expect(await files.read(name)).toBeUndefined();
  }
  expect(await files.list()).toEqual([]);
  asked = [];
  await files.remove("a");
  expect(asked).toEqual([]);
});

test("what may have been written after all is removed, and so is what comes while another is looked for", async () => {
  const files = open();
  const half = files.write("a", async (path) => {
    await writing("half")(path);
    throw new Error("no answer");
  });
  await expect(half).rejects.toThrow("no answer");
  await files.remove("a");
  expect(await host.listFolder(folder)).toEqual([]);
  const later = files.write("b", async (path) => {
    expect(await files.read("b")).toBeUndefined();
    await files.remove("b");
    await writing("new")(path);
  });
  await later;
  expect(await files.read("b")).toBe("new");
});

test("what is written while an older one is removed is known", async () => {
  const files = open();
  expect(await files.read("a")).toBeUndefined();
  await files.write("a", writing("old"));
  const { promise, resolve } = Promise.withResolvers<void>();
  answer = promise;
  const removing = files.remove("a");
  await expect.poll(() => host.listFolder(folder)).toEqual([]);
  await files.write("a", writing("new"));
  resolve();
  await removing;
  expect(await files.read("a")).toBe("new");
});

test("while the folder cannot be listed every file is asked for", async () => {
  const path = join(folder, "folder");
  await writeFile(path, "");
  const files = open(path);
  await expect(files.read("a")).rejects.toMatchObject({ code: "ENOTDIR" });
  await expect(files.remove("a")).rejects.toMatchObject({ code: "ENOTDIR" });
  await rm(path);
  await mkdir(path);
  await writeFile(join(path, "a"), "there");
  expect(await files.read("a")).toBe("there");
});

test("a file that cannot be removed is still known", async () => {
  await mkdir(join(folder, "a/b"), { recursive: true });
  const files = open();
  for (let round = 0; round < 2; round++) await expect(files.remove("a")).rejects.toThrow("Cannot remove ");
});
