import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { parseCniList, readCniList } from "../../../lab/runtime/cni-list.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "margay-cni-list-"));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, content: unknown): void {
  writeFileSync(join(folder, name), JSON.stringify(content));
}

const list = { name: "pods", cniVersion: "0.3.0", plugins: [{ type: "calico" }, { type: "portmap" }] };

test("takes the first file by name, and no other", async () => {
  write("calico-kubeconfig", {});
  write("20-other.conflist", { ...list, name: "other" });
  write("10-calico.conflist", list);
  write("99-loopback.conf", { cniVersion: "0.3.1", type: "loopback" });
  expect(await readCniList(folder)).toEqual(list);
});

test("a lone plugin's configuration is a list of one", async () => {
  const plugin = { name: "pods", cniVersion: "0.3.0", type: "calico", mtu: 1400 };
  write("10-calico.conf", plugin);
  expect(await readCniList(folder)).toEqual({ name: "pods", cniVersion: "0.3.0", plugins: [plugin] });
});

test("finds nothing where there is nothing to find", async () => {
  write("README", {});
  expect(await readCniList(folder)).toBeUndefined();
});

test.each([
  ["{", /^Cannot read \/x: .*JSON/],
  ["[]", "Cannot read /x: it is not a JSON object"],
  ['{"type":"loopback"}', "Cannot read /x: it has no name"],
  ['{"name":"n","plugins":[]}', "Cannot read /x: its list of plugins is empty"],
  ['{"name":"n","plugins":[{}]}', "Cannot read /x: a plugin's type is missing"],
  ['{"name":"n","plugins":[{"type":"../../bin/sh"}]}', `Cannot read /x: a plugin's type is "../../bin/sh"`],
])("refuses %j", (text, message) => {
  expect(() => parseCniList("/x", text)).toThrow(message);
});
