import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { namespacedName } from "../../../src/api/names.ts";
import { attachmentKey } from "../../../src/api/objects.ts";
import { AttachmentFiles, type StoredAttachment } from "../../../src/cni/attachments.ts";
import { LinuxHost } from "../../../src/host/linux-host.ts";
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
  const nameless = { ...attachment, containerId: "4a70", podUid: undefined };
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
