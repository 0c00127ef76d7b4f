/**
 * One agent's address management in a process of its own, to be killed: `node ipam-worker.ts KUBECONFIG NODE`. Reads one
 * JSON call a line, `{id, call: "assign" | "release", …}`, and prints one JSON answer a line.
 */
import { createInterface } from "node:readline";
import type { NodeName } from "../../src/api/names.ts";
import { systemClock } from "../../src/host/clock.ts";
import { Allocator } from "../../src/ipam/allocator.ts";
import type { AssignedAddress, AssignRequest } from "../../src/ipam/ipam.ts";
import { KubeIpamStore } from "../../src/kube/ipam-store.ts";
import { connect } from "../../src/kube/kubeconfig.ts";
import type { Ip } from "../../src/net/ip.ts";

/** What a worker is asked. */
export type WorkerCall =
  | { readonly id: number; readonly call: "assign"; readonly request: AssignRequest }
  | { readonly id: number; readonly call: "release"; readonly handle: string };

/** What it answers. */
export interface WorkerAnswer {
  readonly id: number;
  readonly assigned?: readonly AssignedAddress[];
  readonly freed?: readonly Ip[];
  readonly error?: string;
}

if (process.argv[1] === import.meta.filename) {
  const [kubeconfig = "", node = ""] = process.argv.slice(2);
  const client = await connect({ kubeconfig, clock: systemClock });
  const store = new KubeIpamStore({ client, onRejected: ({ reason }) => process.stderr.write(`${reason}\n`) });
  const ipam = new Allocator({ store, node: node as NodeName, clock: systemClock });
  for await (const line of createInterface({ input: process.stdin })) void serve(ipam, JSON.parse(line));
}

// --- internal ---

async function serve(ipam: Allocator, call: WorkerCall): Promise<void> {
  const { id } = call;
  let answer: WorkerAnswer;
  try {
    answer =
      call.call === "assign"
        ? { id, assigned: await ipam.assign(call.request) }
        : { id, freed: await ipam.release(call.handle, "DEL") };
  } catch (error) {
    answer = { id, error: String(error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
