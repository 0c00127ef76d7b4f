import { execFileSync } from "node:child_process";
import { readdirSync, readlinkSync, rmSync, symlinkSync } from "node:fs";
import { basename } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { inNetns } from "../../src/host/netns.ts";
import { readSysctl, writeSysctl } from "../../src/host/sysctl.ts";
import { makeNamespace, type TestNamespace } from "./netlink-namespaces.ts";

const here = () => readlinkSync("/proc/thread-self/ns/net");

let namespace: TestNamespace;
let home: string;

beforeEach(() => {
  namespace = makeNamespace();
  home = here();
});

afterEach(() => {
  expect(here()).toBe(home);
  namespace[Symbol.dispose]();
});

test("the action runs in the namespace, and so does what it spawns; then we are back", () => {
  const inside = inNetns(namespace.path, here);
  expect(inside).not.toBe(home);
  const spawned = inNetns(namespace.path, () => execFileSync("readlink", ["/proc/self/ns/net"], { encoding: "utf8" }));
  expect(spawned.trim()).toBe(inside);
  expect(here()).toBe(home);
});

test("it nests, and each level comes back to the one above", () => {
  using second = makeNamespace();
  const seen = inNetns(namespace.path, () => [here(), inNetns(second.path, here), here()]);
  expect(seen[2]).toBe(seen[0]);
  expect(seen[1]).not.toBe(seen[0]);
});

test("the way to where we are already is none, whatever has become of its path", () => {
  using second = makeNamespace();
  const link = `/run/netns/${basename(namespace.path)}-link`;
  symlinkSync(namespace.path, link);
  const seen = inNetns(link, () => {
    const first = here();
    rmSync(link);
    const again = inNetns(link, here);
    expect(() => inNetns(link, async () => 1)).toThrow("the action is not synchronous");
    return [first, again, inNetns(second.path, here), here()];
  });
  expect(seen[1]).toBe(seen[0]);
  expect(seen[2]).not.toBe(seen[0]);
  expect(seen[3]).toBe(seen[0]);
  expect(() => inNetns(link, here)).toThrow("there is no such namespace");
});

test("we come back when the action throws, and its error passes through", () => {
  const fault = new Error("fault");
  const act = () =>
    inNetns(namespace.path, () => {
      throw fault;
    });
  expect(act).toThrow(fault);
  expect(here()).toBe(home);
});

test("an action that is not synchronous is refused", () => {
  expect(() => inNetns(namespace.path, async () => 1)).toThrow(
    `Cannot work in ${namespace.path}: the action is not synchronous`,
  );
  expect(here()).toBe(home);
});

test("what is not a network namespace is named", () => {
  expect(() => inNetns("/etc/passwd", here)).toThrow(
    "Cannot enter network namespace /etc/passwd: EINVAL (it is not a network namespace)",
  );
  expect(() => inNetns("/proc/self/ns/mnt", here)).toThrow("it is not a network namespace");
  expect(() => inNetns("/run/netns/no-such", here)).toThrow(
    "Cannot open network namespace /run/netns/no-such: ENOENT (there is no such namespace)",
  );
});

test("no descriptor is left open, also after failures", () => {
  const before = readdirSync("/proc/self/fd").length;
  for (let round = 0; round < 20; round++) {
    inNetns(namespace.path, here);
    expect(() => inNetns("/etc/passwd", here)).toThrow();
  }
  expect(readdirSync("/proc/self/fd").length).toBe(before);
});

test("when the way back fails the process aborts and says why", () => {
  // The child closes the descriptor of its own namespace while it is away.
  const script = `
    import { closeSync, readdirSync, readlinkSync } from "node:fs";
    import { inNetns } from ${JSON.stringify(new URL("../../src/host/netns.ts", import.meta.url).pathname)};
    const home = readlinkSync("/proc/self/ns/net");
    inNetns(${JSON.stringify(namespace.path)}, () => {
      for (const fd of readdirSync("/proc/self/fd")) {
        try { if (readlinkSync("/proc/self/fd/" + fd) === home) closeSync(Number(fd)); } catch {}
      }
    });
    console.log("went on");`;
  const run = () => execFileSync(process.execPath, ["--input-type=module-typescript", "-e", script], { stdio: "pipe" });
  let failure: { signal?: string; stderr?: Buffer; stdout?: Buffer } = {};
  try {
    run();
  } catch (error) {
    failure = error as typeof failure;
  }
  expect(failure.signal).toBe("SIGABRT");
  expect(String(failure.stderr)).toContain(
    `Cannot leave network namespace ${namespace.path}: EBADF. The process aborts.`,
  );
  expect(String(failure.stdout)).toBe("");
});

test("a sysctl is written in the namespace and nowhere else", () => {
  const outside = readSysctl(undefined, "ipv4/ip_forward");
  for (const value of [1, "0", 1]) {
    writeSysctl(namespace.path, "ipv4/ip_forward", value);
    expect(readSysctl(namespace.path, "ipv4/ip_forward")).toBe(String(value));
  }
  expect(namespace.ip("netns", "exec", namespace.name, "cat", "/proc/sys/net/ipv4/ip_forward").trim()).toBe("1");
  expect(readSysctl(undefined, "ipv4/ip_forward")).toBe(outside);
});

test("the sysctl of a link whose name holds a dot is found", () => {
  namespace.ip("link", "add", "a.100", "type", "veth", "peer", "vb");
  writeSysctl(namespace.path, "ipv4/conf/a.100/proxy_arp", 1);
  expect(readSysctl(namespace.path, "ipv4/conf/a.100/proxy_arp")).toBe("1");
});

test("a sysctl that is not there is named when written and undefined when read", () => {
  expect(() => writeSysctl(namespace.path, "ipv4/conf/none/proxy_arp", 1)).toThrow(
    `Cannot set sysctl net/ipv4/conf/none/proxy_arp to 1 in ${namespace.path}: ENOENT (the kernel has no such setting)`,
  );
  expect(readSysctl(namespace.path, "ipv4/conf/none/proxy_arp")).toBeUndefined();
});

test("a value that the kernel refuses, a namespace that is not there and a path that leads elsewhere are errors", () => {
  expect(() => writeSysctl(namespace.path, "ipv4/ip_forward", "many")).toThrow(
    `Cannot set sysctl net/ipv4/ip_forward to many in ${namespace.path}: EINVAL`,
  );
  expect(() => readSysctl("/run/netns/no-such", "ipv4/ip_forward")).toThrow("there is no such namespace");
  for (const key of ["../kernel/hostname", "/ipv4", "ipv4//x", "ipv4/./x", ""]) {
    expect(() => readSysctl(undefined, key)).toThrow("it must be a plain path below /proc/sys/net");
    expect(() => writeSysctl(undefined, key, "x")).toThrow("it must be a plain path below /proc/sys/net");
  }
});
