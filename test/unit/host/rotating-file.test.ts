import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { appendRotating } from "../../../src/host/rotating-file.ts";

const day = 24 * 60 * 60 * 1000;
const now = Date.UTC(2026, 10, 21, 19, 5, 0, 0);
const limits = { maxBytes: 10, maxAgeMs: 30 * day, maxFiles: 2 };
let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "margay-log-"));
  path = join(folder, "logs/cni.log");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const names = () => readdir(join(folder, "logs"));
const text = (name = "cni.log") => readFile(join(folder, "logs", name), "utf8");

test("makes folder and file, for root alone, and adds to it", async () => {
  await appendRotating(path, "one\n", limits, now);
  await appendRotating(path, "two\n", limits, now);
  expect(await text()).toBe("one\ntwo\n");
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});

test("a file that would grow too large is put aside under its time, also twice at one moment", async () => {
  for (const one of ["11111111\n", "22222222\n", "33333333\n"]) await appendRotating(path, one, limits, now);
  expect(await names()).toEqual(["cni-2026-11-21T19-05-00.000.log", "cni-2026-11-21T19-05-00.001.log", "cni.log"]);
  expect([await text("cni-2026-11-21T19-05-00.000.log"), await text()]).toEqual(["11111111\n", "33333333\n"]);
});

test("a text longer than a whole file has one to itself", async () => {
  await appendRotating(path, "a text that is too long\n", limits, now);
  await appendRotating(path, "2\n", limits, now + 1);
  expect([(await names()).length, await text()]).toEqual([2, "2\n"]);
});

test("the oldest go when there are too many", async () => {
  for (let n = 0; n < 5; n++) await appendRotating(path, `${n}${n}${n}${n}${n}${n}${n}${n}\n`, limits, now + n * 1000);
  expect(await names()).toEqual(["cni-2026-11-21T19-05-03.000.log", "cni-2026-11-21T19-05-04.000.log", "cni.log"]);
});

test("so do those that are too old, and nothing else of the folder", async () => {
  await appendRotating(path, "11111111\n", limits, now - 40 * day);
  await appendRotating(path, "22222222\n", limits, now - 31 * day);
  const kept = ["cni-notes.log", "other-2020-01-01T00-00-00.000.log", "cni-2020-01-01T00-00-00.000.txt"];
  for (const name of kept) await writeFile(join(folder, "logs", name), "");
  await appendRotating(path, "33333333\n", { ...limits, maxFiles: 10 }, now);
  expect(await names()).toEqual([...kept, "cni-2026-11-21T19-05-00.000.log", "cni.log"].sort());
});
