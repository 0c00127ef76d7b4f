import { collectDefaultMetrics, Registry } from "prom-client";

/** Which figures of the process itself are wanted: `process_…`, and those of the runtime, `nodejs_…`. */
export interface ProcessMetricsWanted {
  readonly process: boolean;
  readonly runtime: boolean;
}

/**
 * Registers prom-client's own figures of this process in `registry`; none when none are wanted, and then nothing is measured
 * either. To be called once.
 */
export function collectProcessMetrics(registry: Registry, wanted: ProcessMetricsWanted): void {
  if (!wanted.process && !wanted.runtime) return;
  const all = new Registry();
  collectDefaultMetrics({ register: all });
  for (const metric of all.getMetricsAsArray()) {
    if (metric.name.startsWith("process_") ? wanted.process : wanted.runtime) {
      registry.registerMetric(all.getSingleMetric(metric.name) as Parameters<Registry["registerMetric"]>[0]);
    }
  }
}
