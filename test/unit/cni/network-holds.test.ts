import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { attachmentKey } from "../../../src/api/objects.ts";
import type { CniDependencies } from "../../../src/cni/dependencies.ts";
import { type Lease, LeaseFiles } from "../../../src/cni/leases.ts";
import { NetworkHolds } from "../../../src/cni/network-holds.ts";
import { systemClock } from "../../../src/host/clock.ts";
import { LinuxHost } from "../../../src/host/linux-host.ts";
import { parseIp } from "../../../src/net/ip.ts";

const gateway = parseIp("192.168.7.1");
const handle = `side:node-1:${gateway}`;
const signal = new AbortController().signal;
const lease: Lease = {
  ...{ network: "side", containerId: "c", interfaceName: "net1", netns: undefined, pod: undefined, addresses: [] },
};

let folder: string;
/** Handles that IPAM has an address for. */
let held: Set<string>;
/** What releases wait for. */
let pause: Promise<void>;
let away: boolean;
let onInterfaces: readonly string[];
let reports: string[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "margay-holds-"));
  held = new Set();
  pause = Promise.resolve();
  away = false;
  onInterfaces = [];
  reports = [];
});
afterEach(() => rm(folder, { recursive: true }));

/** As a new process of the agent has them. */
function start(): { readonly holds: NetworkHolds; readonly leases: LeaseFiles } {
  const report = (_level: string, message: string) => reports.push(message);
  const leases = new LeaseFiles(new LinuxHost(), join(folder, "leases"), report);
  const node = {
    ...{ nodeName: "node-1", paths: { holds: join(folder, "holds") }, host: new LinuxHost(), clock: systemClock },
    ...{ report, leases, mayLeadToNamespace: (path: string) => path !== "/run/netns/gone" },
    openNetlink: () => ({
      addresses: async () => onInterfaces.map((ip) => ({ ip, linkIndex: 1, prefixLength: 26 })),
      close: () => undefined,
    }),
    ipam: {
      assign: async (request: { readonly handle: string }) => {
        held.add(request.handle);
        return [];
      },
      release: async (one: string) => {
        await pause;
        if (away) throw new Error("Cannot release: the store is away");
        held.delete(one);
        return [];
      },
    },
  };
  // The rest of the node is nothing to it.
  return { holds: new NetworkHolds(node as unknown as CniDependencies), leases };
}

const files = () => readdir(join(folder, "holds"));

async function add({ holds, leases }: ReturnType<typeof start>): Promise<void> {
  await holds.using("side", async () => {
    await leases.write(lease);
    await holds.hold("side", gateway, signal);
  });
}

test("an address is held while its network has a lease, and given back after, also by a later process", async () => {
  const first = start();
  await add(first);
  await first.holds.sweep();
  expect([...held]).toEqual([handle]);
  await first.leases.remove(attachmentKey(lease));
  // The agent ends here.
  const later = start();
  expect([...held]).toEqual([handle]);
  await later.holds.sweep();
  expect([...held]).toEqual([]);
  expect(await files()).toEqual([]);
  await later.holds.sweep();
});

test("an ADD that has not written its lease yet is waited for", async () => {
  const node = start();
  await add(node);
  await node.leases.remove(attachmentKey(lease));
  await node.holds.using("side", async () => {
    await node.holds.sweep();
    expect([...held]).toEqual([handle]);
    await node.leases.write(lease);
    await node.holds.hold("side", gateway, signal);
  });
  await node.holds.sweep();
  expect([...held]).toEqual([handle]);
});

test("an ADD that comes while an address is given back holds it anew", async () => {
  const node = start();
  await add(node);
  await node.leases.remove(attachmentKey(lease));
  const { promise, resolve } = Promise.withResolvers<void>();
  pause = promise;
  const sweep = node.holds.sweep();
  // The sweep has looked for leases and waits for the store.
  await new Promise((done) => setTimeout(done, 50));
  const adding = add(node);
  await new Promise((done) => setTimeout(done, 50));
  resolve();
  await Promise.all([sweep, adding]);
  expect([...held]).toEqual([handle]);
  expect(await files()).toHaveLength(1);
});

test("what an interface has, or an unreadable lease may need, is kept", async () => {
  const node = start();
  await add(node);
  await node.leases.remove(attachmentKey(lease));
  onInterfaces = [gateway];
  await node.holds.sweep();
  expect([...held]).toEqual([handle]);
  onInterfaces = [];
  await writeFile(join(folder, "leases/c:net1.json"), "{");
  const later = start();
  await later.holds.sweep();
  expect([...held]).toEqual([handle]);
  await later.leases.remove(attachmentKey(lease));
  await later.holds.sweep();
  expect([...held]).toEqual([]);
});

test("a lease whose container went without a DEL keeps nothing", async () => {
  const node = start();
  await add(node);
  await node.leases.write({ ...lease, netns: "/run/netns/here" });
  await node.holds.sweep();
  expect([...held]).toEqual([handle]);
  await node.leases.write({ ...lease, netns: "/run/netns/gone" });
  await node.holds.sweep();
  expect([...held]).toEqual([]);
});

test("what the store does not take back is told once and tried again", async () => {
  const node = start();
  await add(node);
  await node.leases.remove(attachmentKey(lease));
  away = true;
  await node.holds.sweep();
  await node.holds.sweep();
  expect(reports).toEqual([expect.stringContaining(`Cannot give back ${handle} yet`)]);
  expect(await files()).toHaveLength(1);
  away = false;
  await node.holds.sweep();
  expect([...held]).toEqual([]);
});
