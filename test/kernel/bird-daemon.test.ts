import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { BirdControl } from "../../src/bgp/bird/bird-control.ts";
import { BirdDaemon } from "../../src/bgp/bird/bird-daemon.ts";
import type { Host } from "../../src/host/host.ts";
import { LinuxHost } from "../../src/host/linux-host.ts";
import { makeNamespace, type TestNamespace } from "./netlink-namespaces.ts";

let namespace: TestNamespace;
let folder: string;
let paths: { readonly socketPath: string; readonly configPath: string };
let bird: ChildProcess | undefined;

beforeEach(async () => {
  namespace = makeNamespace();
  folder = await mkdtemp(join(tmpdir(), "margay-bird-daemon-"));
  paths = { socketPath: join(folder, "bird.ctl"), configPath: join(folder, "bird.conf") };
  await writeFile(paths.configPath, textWith("one"));
  await startBird();
});
afterEach(async () => {
  await endBird();
  namespace[Symbol.dispose]();
  await rm(folder, { recursive: true });
});

function textWith(name: string): string {
  return `log "/dev/null" all;\nrouter id 10.0.0.1;\nprotocol static ${name} { ipv4; }\n`;
}

async function startBird(): Promise<void> {
  const argv = ["netns", "exec", namespace.name, "bird", "-f", "-c", paths.configPath, "-s", paths.socketPath];
  bird = spawn("ip", argv, { stdio: "ignore" });
  await vi.waitFor(protocols, { timeout: 10_000, interval: 20 });
}

async function endBird(): Promise<void> {
  if (bird === undefined || bird.exitCode !== null || bird.signalCode !== null) return;
  const ended = once(bird, "exit");
  bird.kill("SIGKILL");
  await ended;
}

/** The names of those that BIRD works with. */
async function protocols(): Promise<readonly string[]> {
  using control = await BirdControl.connect(paths.socketPath);
  const { lines } = await control.command("show protocols");
  return lines.flatMap(({ code, text }) => (code === 1002 ? [text.split(" ")[0] ?? ""] : []));
}

test("a running BIRD takes a text over, which then is in its file, for its owner's group at most, and nothing else is", async () => {
  const daemon = new BirdDaemon({ host: new LinuxHost(), ...paths });
  expect(await daemon.apply(textWith("two"))).toBe("applied");
  expect(await protocols()).toEqual(["two"]);
  expect(await readFile(paths.configPath, "utf8")).toBe(textWith("two"));
  expect((await stat(paths.configPath)).mode & 0o777).toBe(0o640);
  expect(await readdir(folder)).toEqual(["bird.conf", "bird.ctl"]);
  daemon.close();
});

test("what BIRD refuses is put nowhere, and BIRD works as before; by either way", async () => {
  const daemon = new BirdDaemon({ host: new LinuxHost(), ...paths });
  for (const way of ["configure", "graceful restart"] as const) {
    await expect(daemon.apply(`${textWith("two")}nonsense;`, way)).rejects.toThrow(/candidate:4:\d+ syntax error/);
    expect(await protocols()).toEqual(["one"]);
    expect(await readFile(paths.configPath, "utf8")).toBe(textWith("one"));
    expect(await readdir(folder)).toEqual(["bird.conf", "bird.ctl"]);
  }
  daemon.close();
});

test("a BIRD that is replaced before the text is in its file is told of it, too", async () => {
  const real = new LinuxHost();
  let replaced = 0;
  const host: Host = Object.assign(Object.create(real), {
    replaceUnsynced: async (path: string, text: string, mode: number) => {
      if (path === paths.configPath && replaced++ === 0) {
        expect(await protocols()).toEqual(["two"]);
        await endBird();
        await startBird();
        expect(await protocols()).toEqual(["one"]);
      }
      await real.replaceUnsynced(path, text, mode);
    },
  });
  const daemon = new BirdDaemon({ host, ...paths });
  expect(await daemon.apply(textWith("two"))).toBe("applied");
  expect(replaced).toBe(1);
  expect(await protocols()).toEqual(["two"]);
  daemon.close();
});

test("a file that somebody else has changed is put right, and one that is right is left", async () => {
  const daemon = new BirdDaemon({ host: new LinuxHost(), ...paths });
  await daemon.apply(textWith("two"));
  expect(await daemon.apply(textWith("two"))).toBe("unchanged");
  await writeFile(paths.configPath, textWith("three"));
  expect(await daemon.apply(textWith("two"))).toBe("applied");
  expect(await readFile(paths.configPath, "utf8")).toBe(textWith("two"));
  daemon.close();
});
