import { Counter, Gauge, Registry } from "prom-client";
import type { Metric } from "./metric.ts";

/** The metrics in Prometheus' text format, and its content type. */
export async function printMetrics(
  metrics: readonly Metric[],
): Promise<{ readonly text: string; readonly contentType: string }> {
  const registry = new Registry();
  for (const { name, help, type, labels, samples } of metrics) {
    const options = { name, help, labelNames: [...labels], registers: [registry] };
    const metric = type === "gauge" ? new Gauge(options) : new Counter(options);
    for (const sample of samples) metric.inc(sample.labels, sample.value);
  }
  return { text: await registry.metrics(), contentType: registry.contentType };
}
