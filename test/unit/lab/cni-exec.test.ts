import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type CniAttachment, CniPluginError, cniAdd, cniDel } from "../../../lab/runtime/cni-exec.ts";
import type { CniList } from "../../../lab/runtime/cni-list.ts";

let folder: string;

const attachment: CniAttachment = {
  containerId: "c1",
  netns: "/run/netns/x",
  interfaceName: "eth0",
  args: { IgnoreUnknown: "1", K8S_POD_NAME: "web" },
  capabilityArgs: { portMappings: [{ hostPort: 80 }] },
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "margay-cni-exec-"));
  for (const name of ["first", "second"]) plugin(name, `printf '{"cniVersion":"0.4.0","by":"${name}"}'`);
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A plugin that writes down what it was called with, one line a call, and then does `last`. */
function plugin(name: string, last: string): void {
  const path = join(folder, name);
  const script = `#!/bin/sh\nprintf '%s %s %s %s %s ' "$CNI_COMMAND" ${name} "$CNI_CONTAINERID" "$CNI_IFNAME" "$CNI_ARGS" >>"$CNI_PATH/calls"\ncat >>"$CNI_PATH/calls"\necho >>"$CNI_PATH/calls"\n${last}\n`;
  writeFileSync(path, script);
  chmodSync(path, 0o755);
}

function calls(): readonly { readonly call: string; readonly config: Record<string, unknown> }[] {
  const path = join(folder, "calls");
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").trim().split("\n");
  return lines.map((line) => {
    const brace = line.indexOf("{");
    return { call: line.slice(0, brace).trim(), config: JSON.parse(line.slice(brace)) as Record<string, unknown> };
  });
}

function listOf(cniVersion: string): CniList {
  return {
    name: "pods",
    cniVersion,
    plugins: [
      { type: "first", mtu: 0 },
      { type: "second", capabilities: { portMappings: true, bandwidth: true } },
    ],
  };
}

test("ADD goes through the list in order, and hands each result on", async () => {
  const result = await cniAdd(listOf("0.4.0"), attachment, folder);
  expect(result).toEqual({ cniVersion: "0.4.0", by: "second" });
  const args = "c1 eth0 IgnoreUnknown=1;K8S_POD_NAME=web";
  expect(calls()).toEqual([
    { call: `ADD first ${args}`, config: { type: "first", mtu: 0, name: "pods", cniVersion: "0.4.0" } },
    {
      call: `ADD second ${args}`,
      config: {
        type: "second",
        name: "pods",
        cniVersion: "0.4.0",
        capabilities: { portMappings: true, bandwidth: true },
        runtimeConfig: { portMappings: [{ hostPort: 80 }] },
        prevResult: { cniVersion: "0.4.0", by: "first" },
      },
    },
  ]);
});

test("DEL goes backwards, with the result of ADD from version 0.4.0 on", async () => {
  await cniDel(listOf("0.4.0"), attachment, { binFolder: folder, result: { by: "add" } });
  expect(calls().map(({ call, config }) => [call.slice(0, 10), config["prevResult"]])).toEqual([
    ["DEL second", { by: "add" }],
    ["DEL first ", { by: "add" }],
  ]);
});

test("DEL of an older list tells no result", async () => {
  await cniDel(listOf("0.3.1"), attachment, { binFolder: folder, result: { by: "add" } });
  expect(calls().map(({ config }) => "prevResult" in config)).toEqual([false, false]);
});

test("a plugin's error object becomes an error with its code and words, and ends the list", async () => {
  plugin("first", `printf '{"code":11,"msg":"Cannot reach the agent","details":"not there"}'; exit 1`);
  const failure = await cniAdd(listOf("0.4.0"), attachment, folder).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(CniPluginError);
  expect(failure).toMatchObject({
    plugin: "first",
    code: 11,
    message: "Cannot ADD with plugin first: Cannot reach the agent: not there (CNI error 11)",
  });
  expect(calls()).toHaveLength(1);
});

test("a plugin that is not there is named", async () => {
  const list: CniList = { name: "pods", cniVersion: "0.4.0", plugins: [{ type: "absent" }] };
  await expect(cniAdd(list, attachment, folder)).rejects.toThrow(/^Cannot ADD with plugin absent: /);
});
