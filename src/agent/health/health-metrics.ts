import { Gauge, type Registry } from "prom-client";
import type { HealthBoard } from "./health-board.ts";

/** Registers what the board says, by part. */
export function collectHealth(registry: Registry, board: Pick<HealthBoard, "summary">): void {
  for (const quality of ["live", "ready"] as const) {
    const gauge: Gauge<"part"> = new Gauge({
      name: `margay_health_${quality}`,
      help: `1 when the part is ${quality}, else 0; /liveness and /readiness say why.`,
      ...{ labelNames: ["part"], registers: [registry] },
      collect() {
        gauge.reset();
        for (const [part, health] of board.summary().parts) gauge.set({ part }, Number(health[quality]));
      },
    });
  }
}
