import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { namespacedName } from "../../../src/api/names.ts";
import { attachmentKey } from "../../../src/api/objects.ts";
import { AttachmentFiles, type StoredAttachment } from "../../../src/cni/attachments.ts";
import { LinuxHost } from "../../../src/host/linux-host.ts";
import { SystemError } from "../../../src/host/system-error.ts";
import { parseIp } from "../../../src/net/ip.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "margay-attachments-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

const attachment: StoredAttachment = {
  network: "k8s-pod-network",
  containerId: "3f69",
  interfaceName: "eth0",
  hostInterface: "cali0ef24ba27a4",
  netns: "/run/netns/x",
  pod: namespacedName("shop", "web"),
  podUid: "u-1",
  addresses: [parseIp("192.168.7.1"), parseIp("fd00:7::1")],
  mtu: 1450,
};

test("a new process reads what an earlier one wrote, and not what it removed", async () => {
  const files = new AttachmentFiles(new LinuxHost(), folder, () => undefined);
  const nameless = { ...attachment, containerId: "4a70", podUid: undefined, bandwidthPlugin: "annotated" } as const;
  await files.write(attachment);
  await files.write(nameless);
  await files.write({ ...attachment, containerId: "5b81" });
  await files.remove(attachmentKey({ containerId: "5b81", interfaceName: "eth0" }));
  const later = new AttachmentFiles(new LinuxHost(), folder, () => undefined);
  expect(await later.list()).toEqual([attachment, nameless]);
  expect(await later.get(attachmentKey(nameless))).toEqual(nameless);
  expect(await later.list()).toEqual(await files.list());
});

test("a file that cannot be read is reported and left, and the others count", async () => {
  const reports: string[] = [];
  const files = new AttachmentFiles(new LinuxHost(), folder, (_level, message) => reports.push(message));
  await writeFile(join(folder, "bad:eth0.json"), "{");
  await writeFile(join(folder, "odd:eth0.json"), JSON.stringify({ ...attachment, addresses: ["nonsense"] }));
  await files.write(attachment);
  expect(await files.list()).toEqual([attachment]);
  expect(reports).toHaveLength(2);
  await files.remove(attachmentKey({ containerId: "bad", interfaceName: "eth0" }));
  expect(await readdir(folder)).toEqual(["3f69:eth0.json", "odd:eth0.json"]);
});

test("who must know of all is refused while a file cannot be read, until it is mended, written anew or removed", async () => {
  const files = new AttachmentFiles(new LinuxHost(), folder, () => undefined);
  const cut = { path: join(folder, "bad:eth0.json"), containerId: "bad", key: "bad/eth0" };
  const odd = { path: join(folder, "backup.json"), containerId: undefined, key: undefined };
  for (const { path } of [cut, odd]) await writeFile(path, '{"network":');
  await files.write(attachment);
  await expect(files.listWhole()).rejects.toThrow(`${odd.path}, ${cut.path}. The DEL of its container removes`);
  expect(await files.listUnreadable()).toEqual([odd, cut]);

  await rm(odd.path);
  expect(await files.listUnreadable()).toEqual([cut]);
  await writeFile(cut.path, JSON.stringify({ ...attachment, containerId: "bad" }));
  expect(await files.listWhole()).toEqual([attachment, { ...attachment, containerId: "bad" }]);

  for (const end of [
    (later: AttachmentFiles) => later.remove(attachmentKey({ ...attachment, containerId: "bad" })),
    (later: AttachmentFiles) => later.write({ ...attachment, containerId: "bad" }),
  ]) {
    await writeFile(cut.path, "");
    const later = new AttachmentFiles(new LinuxHost(), folder, () => undefined);
    await expect(later.listWhole()).rejects.toThrow(cut.path);
    await end(later);
    expect(await later.listWhole()).toEqual(await later.list());
    expect(await later.list()).toContainEqual(attachment);
  }
});

test("a fault of the disk under one file leaves the others; one that may pass is the caller's", async () => {
  const files = new AttachmentFiles(new LinuxHost(), folder, () => undefined);
  await files.write(attachment);
  const path = join(folder, "bad:eth0.json");
  await writeFile(path, await readFile(join(folder, "3f69:eth0.json")));
  const failing = (code: string) => {
    const host = new LinuxHost();
    const read = host.readFile.bind(host);
    host.readFile = async (one) => {
      if (one === path) throw new SystemError(`read ${one}`, code);
      return read(one);
    };
    return new AttachmentFiles(host, folder, () => undefined);
  };
  expect(await failing("EIO").list()).toEqual([attachment]);
  await expect(failing("EIO").listWhole()).rejects.toThrow(path);
  await expect(failing("EMFILE").list()).rejects.toThrow("EMFILE");
});
