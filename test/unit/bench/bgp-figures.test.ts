import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  absentNodes,
  addBlock,
  blockOf,
  meshSnapshot,
  nodeName,
  plainInputs,
  removeBlock,
} from "../../../bench/bgp/cluster.ts";
import { meshFigures } from "../../../bench/bgp/mesh-figures.ts";
import { plainBird, plainBlocks } from "../../../bench/bgp/plain-bird.ts";
import { planBgp } from "../../../src/bgp/plan/plan-bgp.ts";
import { LinuxHost } from "../../../src/host/linux-host.ts";

test("a mesh counts with the median of its rounds, and its ratio with the median of theirs", () => {
  const rounds = [
    { size: 10, ours: 2, plain: 1 },
    { size: 100, ours: 4, plain: 1 },
    { size: 100, ours: 6, plain: 3 },
    { size: 100, ours: 9, plain: 3 },
  ];
  expect(meshFigures(rounds)).toEqual({
    ...{ mesh_ours_10_s: 2, mesh_plain_10_s: 1, mesh_ours_100_s: 6, mesh_plain_100_s: 3 },
    ...{ mesh_converged_s: 6, mesh_vs_plain: 3 },
  });
  expect(meshFigures(rounds.slice(0, 1))).toEqual({ mesh_ours_10_s: 2, mesh_plain_10_s: 1 });
});

test("the first node of a mesh waits for every absent one, and announces the blocks that come, until they go", () => {
  const snapshot = meshSnapshot([{ name: "node-1", address: "172.18.1.1" }, ...absentNodes(300)]);
  const planned = () => planBgp({ ...plainInputs(), snapshot, node: nodeName("node-1") })?.families[0];
  expect(planned()?.sessions).toHaveLength(300);
  expect(planned()?.sessions.filter(({ passive }) => !passive)).toEqual([]);
  // Its pods are inside: none of their addresses is announced by itself.
  expect(planned()?.exports).toMatchObject({ blocks: [blockOf(0)], hosts: [] });
  addBlock(snapshot, "10.1.0.0/24", nodeName("node-1"));
  expect(planned()?.exports.blocks).toEqual(["10.1.0.0/24", blockOf(0)]);
  removeBlock(snapshot, "10.1.0.0/24");
  expect(planned()?.exports.blocks).toEqual([blockOf(0)]);
});

test("BIRD takes what is written for it by hand", async () => {
  const folder = await mkdtemp(join(tmpdir(), "margay-plain-bird-"));
  const [path, include] = [join(folder, "bird.conf"), join(folder, "more.conf")];
  const neighbors = [
    { address: "172.18.1.2", waits: true },
    { address: "172.18.1.3", waits: false },
  ];
  const text = plainBird({ address: "172.18.1.1", neighbors, blocks: ["10.1.0.0/24"], include });
  expect(text.match(/passive on/g)).toHaveLength(1);
  try {
    await writeFile(path, text);
    const parse = () => new LinuxHost().run(["bird", "-p", "-c", path]);
    await writeFile(include, plainBlocks("more", ["10.2.0.0/24"]));
    await expect(parse()).resolves.toBeDefined();
    await writeFile(include, plainBlocks("own", []));
    await expect(parse()).rejects.toThrow("already defined");
  } finally {
    await rm(folder, { recursive: true });
  }
});
