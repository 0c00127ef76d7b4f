import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Answer } from "../../../src/cni/plugin.ts";
import { Spool } from "../../../src/cni/spool.ts";
import type { Host } from "../../../src/host/host.ts";
import { LinuxHost } from "../../../src/host/linux-host.ts";

const done: Answer = { exitCode: 0, stdout: "" };
let folder: string;
let reports: string[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "margay-spool-"));
  reports = [];
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function keep(count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    await writeFile(join(folder, `c${n}:eth0`), `calico\0CNI_COMMAND=DEL\0CNI_CONTAINERID=c${n}\0\0{}`);
  }
}

function spoolOf(answer: () => Promise<Answer>, host: Host = new LinuxHost()): Spool {
  return new Spool({ host, folder, report: (_level, message) => reports.push(message), answer });
}

test("DELs are carried out at once, but not all of them", async () => {
  await keep(40);
  const all = Promise.withResolvers<number>();
  let read = 0;
  let asked = 0;
  const host = new LinuxHost();
  const counting: Host = Object.assign(Object.create(host), {
    readFile: (path: string) => {
      read++;
      return host.readFile(path);
    },
  });
  // None ends before the sixteenth has begun; a seventeenth would have been read by then.
  const answer = async () => {
    asked++;
    if (asked === 16) all.resolve(read);
    await all.promise;
    return done;
  };
  expect(await spoolOf(answer, counting).drain()).toBe(0);
  expect(await all.promise).toBe(16);
  expect(await readdir(folder)).toEqual([]);
});

test("what cannot be read or removed is reported and counted as left, and the others are done", async () => {
  await keep(3);
  await mkdir(join(folder, "a-folder:eth0"));
  const host: Host = Object.assign(Object.create(new LinuxHost()), {
    removeFile: async (path: string) => {
      if (path.endsWith("c1:eth0")) throw new Error(`Cannot remove ${path}: EROFS`);
      await rm(path);
    },
  });
  const spool = spoolOf(async () => done, host);
  expect(await spool.drain()).toBe(2);
  expect(await readdir(folder)).toEqual(["a-folder:eth0", "c1:eth0"]);
  expect(reports.toSorted()).toEqual([
    expect.stringMatching(/^Cannot finish with the request in .*a-folder:eth0: .*EISDIR/),
    expect.stringMatching(/^Cannot finish with the request in .*c1:eth0: .*EROFS/),
  ]);
});

test("a DEL that fails is left for the next drain", async () => {
  await keep(2);
  let fails = true;
  const spool = spoolOf(async () => (fails ? { exitCode: 1, stdout: '{"code":11}' } : done));
  expect(await spool.drain()).toBe(2);
  fails = false;
  expect(await spool.drain()).toBe(0);
  expect(await readdir(folder)).toEqual([]);
});
