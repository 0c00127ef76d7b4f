/**
 * One piece of work in the control network, where the API server is: `node worker.ts REQUEST`, JSON both ways. It is a process
 * of its own, so that its sockets are in that network, and its CPU time is not the agent's.
 */
import { systemClock } from "../../src/host/clock.ts";
import { connect } from "../../src/kube/kubeconfig.ts";
import { fill } from "./fill.ts";
import { type Measured, measureChurn, measureLabels, measurePolicies } from "./measure.ts";

export interface WorkerRequest {
  readonly work: "fill" | "policies" | "labels" | "churn";
  readonly kubeconfig: string;
  /** Of the benched node. */
  readonly netns: string;
  readonly backend: "iptables" | "nft";
  /** Pods, and policies, in the cluster. */
  readonly size: number;
  /** How many of them are there already; `fill` makes the rest. */
  readonly there: number;
  /** The largest size that there will be. */
  readonly most: number;
  readonly changes: number;
}

const request = JSON.parse(process.argv[2] ?? "") as WorkerRequest;
const client = await connect({ kubeconfig: request.kubeconfig, clock: systemClock });
const works: Readonly<Record<WorkerRequest["work"], () => Promise<Measured>>> = {
  fill: () => fill(client, request),
  policies: () => measurePolicies(client, request),
  labels: () => measureLabels(client, request),
  churn: () => measureChurn(client, request),
};
process.stdout.write(JSON.stringify(await works[request.work]()));
client.close();
