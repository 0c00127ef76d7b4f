import { spawn } from "node:child_process";
import type { Registry } from "prom-client";

/** Resolves once another process has the lock of this file (flock(2)), to what makes it let go. */
export async function holdLock(path: string): Promise<() => void> {
  const holder = spawn("flock", ["--no-fork", path, "sh", "-c", "echo held; exec sleep 600"]);
  await new Promise((resolve) => holder.stdout.once("data", resolve));
  return () => holder.kill();
}

/** How often iptables of IPv4 has waited for the lock, and how long altogether, as the metric tells it. */
export async function lockWaits(registry: Registry): Promise<{ readonly count: number; readonly seconds: number }> {
  const text = await registry.getSingleMetricAsString("margay_iptables_lock_wait_seconds");
  const figure = (what: string) => Number(new RegExp(`_${what}\\{ip_version="IPv4"\\} (\\S+)`).exec(text)?.[1] ?? 0);
  return { count: figure("count"), seconds: figure("sum") };
}
