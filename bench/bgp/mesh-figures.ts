/** The meshes' figures. Pure. */
import type { Figures } from "../report.ts";
import { median } from "../statistics.ts";
import type { MeshTimes } from "./mesh.ts";

/** The size that `mesh_converged_s` and `mesh_vs_plain` are of. */
const told = 100;

/** By size the median of the rounds, and of each round's ratio. Without the size 100 `mesh_converged_s` is missing. */
export function meshFigures(rounds: readonly MeshTimes[]): Figures {
  const figures: Record<string, number> = {};
  for (const [size, times] of Map.groupBy(rounds, (one) => one.size)) {
    figures[`mesh_ours_${size}_s`] = median(times.map(({ ours }) => ours));
    figures[`mesh_plain_${size}_s`] = median(times.map(({ plain }) => plain));
    if (size !== told) continue;
    figures["mesh_converged_s"] = figures[`mesh_ours_${size}_s`] ?? Number.NaN;
    figures["mesh_vs_plain"] = median(times.map(({ ours, plain }) => ours / plain));
  }
  return figures;
}
