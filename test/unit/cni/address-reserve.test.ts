import { mkdirSync, writeFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test as base, expect } from "vitest";
import type { NodeName } from "../../../src/api/names.ts";
import { AddressReserve } from "../../../src/cni/address-reserve.ts";
import { systemClock } from "../../../src/host/clock.ts";
import { LinuxHost } from "../../../src/host/linux-host.ts";

/** The folders of a node's CNI, and an agent's reserve over them. */
const test = base.extend("node", async ({ task }, { onCleanup }) => {
  const state = await mkdtemp(join(tmpdir(), `margay-reserve-${task.id}-`));
  onCleanup(() => rm(state, { recursive: true }));
  const folder = join(state, "cni");
  const [attachmentsFolder, intentsFolder] = [join(folder, "attachments"), join(folder, "intents")];
  for (const path of [attachmentsFolder, intentsFolder]) mkdirSync(path, { recursive: true });
  const reports: string[] = [];
  const reserveAt = (lockedFolder: string) =>
    new AddressReserve({
      ...{ nodeName: "node-1" as NodeName, clock: systemClock, host: new LinuxHost(), lockedFolder },
      ...{ attachmentsFolder, intentsFolder, report: (level, message) => reports.push(`${level}: ${message}`) },
    });
  const write = (name: string, text: string) => writeFile(join(folder, name), text);
  return { folder, reports, write, reserveAt, reserve: reserveAt(folder) };
});

test("who has an address is read anew each time", async ({ node: { reserve, write } }) => {
  expect((await reserve.owners()).byAddress.size).toBe(0);
  await write("attachments/one:eth0.json", attachment("one", ["10.0.0.1", "fd00::1"]));
  const owners = await reserve.owners();
  expect([...owners.byAddress.keys()]).toEqual(["10.0.0.1", "fd00::1"]);
  expect(owners.byAddress.get("10.0.0.1" as never)).toEqual({
    handle: "k8s-pod-network.one",
    attributes: { pod: "web", namespace: "shop", node: "node-1", timestamp: expect.any(String) },
  });
  await write("attachments/one:eth0.json", attachment("one", ["10.0.0.2"]));
  await write("attachments/two:eth0.json", attachment("two", ["10.0.0.3"]));
  expect([...(await reserve.owners()).byAddress.keys()].toSorted()).toEqual(["10.0.0.2", "10.0.0.3"]);
});

test("what another IPAM plugin gave is none of this one's", async ({ node: { reserve, write } }) => {
  const ipam = { type: "host-local", environment: {}, conf: "{}", ips: [], routes: [], dns: {} };
  await write("attachments/one:eth0.json", attachment("one", ["10.0.0.1"], { ipam }));
  await write("attachments/two:eth0.json", attachment("two", ["10.0.0.2"]));
  expect([...(await reserve.owners()).byAddress.keys()]).toEqual(["10.0.0.2"]);
});

test("not all is known while an ADD is under way", async ({ node: { reserve, write, folder } }) => {
  expect((await reserve.owners()).areAll).toBe(true);
  await write("intents/one:eth0", "");
  expect((await reserve.owners()).areAll).toBe(false);
  await rm(join(folder, "intents/one:eth0"));
  expect((await reserve.owners()).areAll).toBe(true);
});

test("whose an address is cannot be told while a file cannot be read", async ({ node: { reserve, write } }) => {
  await write("attachments/one:eth0.json", "{");
  await expect(reserve.owners()).rejects.toThrow(/one:eth0\.json/);
  await write("attachments/one:eth0.json", attachment("one", ["10.0.0.1"]));
  expect((await reserve.owners()).byAddress.size).toBe(1);
});

test("one at a time gives from it, until that leaves it", ({ node: { reserve, reserveAt, folder } }) => {
  const next = reserveAt(folder);
  expect([reserve.isSole(), next.isSole(), reserve.isSole()]).toEqual([true, false, true]);
  reserve.release();
  expect(next.isSole()).toBe(true);
  next.release();
  // Nobody knows any more what it remembers.
  expect(reserve.isSole()).toBe(false);
});

test("a folder that cannot be locked is told of once, and nothing is given", ({
  node: { reserveAt, folder, reports },
}) => {
  writeFileSync(join(folder, "file"), "");
  const reserve = reserveAt(join(folder, "file/below"));
  expect([reserve.isSole(), reserve.isSole()]).toEqual([false, false]);
  expect(reports).toEqual([expect.stringMatching(/^warn: Cannot hold addresses for pods to come: .*ENOTDIR/)]);
});

test("an eighth of a block is held, and eight at most", ({ node: { reserve } }) => {
  expect([64, 256, 32, 16, 8, 4, 1].map((size) => reserve.mostOf(size, 0))).toEqual([8, 8, 4, 2, 1, 0, 0]);
});

test("while many pods ask, twice as many as have asked are held, and half of a block at most", ({
  node: { reserve },
}) => {
  expect([1, 4, 5, 12, 100].map((asked) => reserve.mostOf(64, asked))).toEqual([8, 8, 10, 24, 32]);
  expect([256, 32, 8, 4].map((size) => reserve.mostOf(size, 100))).toEqual([32, 16, 4, 0]);
});

// --- internal ---

function attachment(containerId: string, addresses: readonly string[], more: object = {}): string {
  return JSON.stringify({
    ...{ network: "k8s-pod-network", containerId, interfaceName: "eth0", hostInterface: "cali1" },
    ...{ netns: "/run/netns/one", pod: "shop/web", podUid: "uid", addresses, mtu: 1450, ...more },
  });
}
