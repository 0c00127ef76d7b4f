import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { ChurnReport } from "./churn-report.ts";
import type { ChurnRequest, ChurnSample } from "./felix-churn.ts";

/**
 * A churn in a process and a network namespace of its own, which end with this process. Rejects when it ends without a report;
 * why, it has said on standard error.
 */
export async function runChurn(request: ChurnRequest, onSample: (sample: ChurnSample) => void): Promise<ChurnReport> {
  const worker = join(import.meta.dirname, "worker.ts");
  const argv = ["--pdeathsig", "KILL", "unshare", "--net", process.execPath, "--expose-gc", worker];
  const child = spawn("setpriv", [...argv, JSON.stringify(request)], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "close");
  let report: ChurnReport | undefined;
  for await (const line of createInterface({ input: child.stdout })) {
    const said = JSON.parse(line) as { readonly sample?: ChurnSample; readonly report?: ChurnReport };
    if (said.sample !== undefined) onSample(said.sample);
    report = said.report ?? report;
  }
  const [code] = (await ended) as [number | null];
  if (report === undefined) throw new Error(`Cannot tell what the churn has come to: it ended with ${code}`);
  return report;
}
