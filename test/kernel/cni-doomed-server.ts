/**
 * A CNI server in a process of its own, which is killed at one of its steps: started by `DoomedServers`, which holds its
 * cluster. The kernel, the files and the executables are the real ones.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { AttachmentFiles } from "../../src/cni/attachments.ts";
import { LeaseFiles } from "../../src/cni/leases.ts";
import { CniServer } from "../../src/cni/server.ts";
import type { IpamStore } from "../../src/ipam/store.ts";
import { FakeCluster } from "../fakes/ipam-store.ts";
import { agentIpamOf, warmUp } from "./cni-agent-ipam.ts";
import { dependenciesOf, type NodeFacts } from "./cni-node.ts";
import { type StepWatcher, watched, watchedStore } from "./cni-steps.ts";

/** At which step the process ends. */
export interface Doom {
  /** Of those from here on. */
  readonly from: "start" | "listening";
  /** From 1. */
  readonly step: number;
  readonly when: "before" | "after";
  /** Whether it holds addresses for pods to come before the first step. */
  readonly isWarm: boolean;
}

/** What the process must know of its node; all of it can be sent. */
export interface DoomedNode
  extends Pick<NodeFacts, "netns" | "folder" | "namespacePaths" | "pods" | "namespaces" | "nodes"> {
  readonly pools: FakeCluster["pools"];
  readonly spool: string;
  readonly socketPath: string;
  /** Where the last step is written, for whoever looks into a failure. */
  readonly stepFile: string;
}

/** What the process is told: once what to do, and then what its store answers. */
export type ToDoomed =
  | { readonly kind: "begin"; readonly node: DoomedNode; readonly doom: Doom }
  | { readonly kind: "answer"; readonly id: number; readonly value?: unknown; readonly error?: string };

/** What it says: that it is there, that it serves, and what it asks of its store. */
export type FromDoomed =
  | { readonly kind: "loaded" | "listening" }
  | { readonly kind: "ask"; readonly id: number; readonly call: readonly string[]; readonly words: readonly unknown[] };

if (process.argv[1] === import.meta.filename) {
  process.on("message", (message: ToDoomed) => {
    if (message.kind === "begin") void serve(message.node, message.doom);
    else settle(message);
  });
  // Not to outlive whoever started it.
  process.on("disconnect", () => process.exit());
  say({ kind: "loaded" });
}

// --- internal ---

const asked = new Map<number, PromiseWithResolvers<unknown>>();

async function serve(node: DoomedNode, doom: Doom): Promise<void> {
  let counts = doom.from === "start";
  let count = 0;
  const watch: StepWatcher = (when, step) => {
    if (!counts) return;
    if (when === "before") count++;
    if (when !== doom.when || count < doom.step) return;
    writeFileSync(node.stepFile, step);
    process.kill(process.pid, "SIGKILL");
  };
  const cluster = new FakeCluster();
  cluster.pools = node.pools;
  const facts: NodeFacts = {
    ...{ ...node, cluster, shim: node, storeFault: async () => ({}) },
    ...{ bgpPeers: [], published: new Map(), reports: [], answered: [], observed: [] },
  };
  const real = dependenciesOf(facts);
  let server: CniServer | undefined;
  const agent = agentIpamOf({
    ...{ ...real, folder: node.folder, store: watchedStore(remoteStore(), watch) },
    isBusy: () => server?.isBusy === true,
  });
  const parts = watched({ ...real, ipam: agent.ipam }, watch);
  const attachments = new AttachmentFiles(parts.host, join(node.folder, "attachments"), parts.report);
  const leases = new LeaseFiles(parts.host, join(node.folder, "leases"), parts.report);
  server = new CniServer({ ...parts, attachments, leases }, { socketPath: node.socketPath });
  if (doom.from === "start") agent.begin();
  await server.start();
  if (doom.isWarm) await warmUp(agent.ipam);
  counts = true;
  if (doom.from === "listening") agent.begin();
  say({ kind: "listening" });
}

/** The store of the process that started this one: what it holds outlives this one. */
function remoteStore(): IpamStore {
  const remote =
    (...call: readonly string[]) =>
    (...words: readonly unknown[]) =>
      ask(call, words);
  const records = (name: string) =>
    Object.fromEntries(["get", "list", "put", "remove"].map((method) => [method, remote(name, method)]));
  const others = ["affinitiesOf", "blockNetworks", "configuration", "pools", "reservations", "node"];
  return {
    ...Object.fromEntries(["blocks", "affinities", "handles"].map((name) => [name, records(name)])),
    ...Object.fromEntries(others.map((name) => [name, remote(name)])),
  } as unknown as IpamStore;
}

function ask(call: readonly string[], words: readonly unknown[]): Promise<unknown> {
  const id = asked.size;
  const answer = Promise.withResolvers<unknown>();
  asked.set(id, answer);
  say({ kind: "ask", id, call, words });
  return answer.promise;
}

function settle({ id, value, error }: Extract<ToDoomed, { kind: "answer" }>): void {
  if (error === undefined) asked.get(id)?.resolve(value);
  else asked.get(id)?.reject(new Error(error));
}

function say(message: FromDoomed): void {
  process.send?.(message);
}
