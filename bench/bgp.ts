/**
 * How long a node's new block takes to every other node's kernel, and what of it is our part (docs/benchmarks.md), with real BIRDs
 * in network namespaces:
 *
 *     block in the snapshot ─▶ Bgp ─▶ BIRD ─▶ BIRD ─▶ kernel     route_ours_…: beside it the same by BIRD alone
 *     a pass of Bgp in its parts                                 plan_…, transition_…, render_…, offer_…, check_…, apply_…
 *     N BIRDs, from start until each kernel has each block       mesh_…: beside it the same by a configuration by hand
 */
import { mkdir, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Bench, BenchOptions } from "./bench.ts";
import { Fleet } from "./bgp/fleet.ts";
import { measureLatency } from "./bgp/latency.ts";
import { type MeshTimes, measureMesh } from "./bgp/mesh.ts";
import { meshFigures } from "./bgp/mesh-figures.ts";
import { measureParts } from "./bgp/parts.ts";
import { plotOf } from "./plot.ts";
import type { Figures } from "./report.ts";

export const bgpBench: Bench = {
  targets: { route_added_p50_ms: { max: 10 } },
  comparison: {
    route_added_p50_ms: "one peer; BIRD alone by `configure`: route_configure_p50_1_peer_ms",
    mesh_converged_s: "100 nodes; by hand: mesh_plain_100_s",
  },
  run,
};

// --- internal ---

const fullMesh = [10, 25, 50, 100, 150, 200];
const quickMesh = [10, 50, 100];

async function run({ quick, progress, signal }: BenchOptions): Promise<Figures> {
  const figures: Record<string, number> = {};
  {
    await using fleet = await Fleet.create(3);
    for (const peers of [1, 100, 500]) {
      progress(`a block to the other node's kernel, with ${peers} peers`);
      Object.assign(figures, await measureLatency(fleet, { peers, changes: quick ? 40 : 400, signal }));
    }
    for (const peers of [100, 500, 1000]) {
      progress(`the parts, with ${peers} peers`);
      Object.assign(figures, await measureParts(fleet, { peers, passes: quick ? 30 : 200, signal }));
    }
  }
  const meshes = await measureMeshes(quick ? quickMesh : fullMesh, { quick, progress, signal });
  progress(`drawn: ${await draw(meshes)}`);
  return { route_added_p50_ms: figures["route_added_p50_1_peer_ms"] ?? Number.NaN, ...figures, ...meshFigures(meshes) };
}

async function measureMeshes(
  sizes: readonly number[],
  { quick, progress, signal }: BenchOptions,
): Promise<readonly MeshTimes[]> {
  progress(`making ${Math.max(...sizes)} machines`);
  await using fleet = await Fleet.create(Math.max(...sizes));
  const rounds: MeshTimes[] = [];
  for (const size of sizes) {
    for (let round = 0; round < (quick ? 1 : 3); round++) {
      const times = await measureMesh(fleet, size, signal);
      progress(`a mesh of ${size}: ${times.ours.toFixed(2)} s, by hand ${times.plain.toFixed(2)} s`);
      rounds.push(times);
    }
  }
  return rounds;
}

async function draw(meshes: readonly MeshTimes[]): Promise<string> {
  const figures = meshFigures(meshes);
  const sizes = [...new Set(meshes.map(({ size }) => size))];
  const series = (name: string, way: "ours" | "plain") => ({
    name,
    points: sizes.map((size) => [size, figures[`mesh_${way}_${size}_s`] ?? Number.NaN] as const),
  });
  const labels = { title: "A mesh of BIRDs, from start to every route", x: "nodes", y: "s" };
  const path = fileURLToPath(new URL("./out/bgp-mesh.svg", import.meta.url));
  await mkdir(fileURLToPath(new URL("./out/", import.meta.url)), { recursive: true });
  await writeFile(path, plotOf([series("our configuration", "ours"), series("by hand", "plain")], labels));
  return path;
}
