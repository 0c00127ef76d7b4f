import type { Command } from "commander";
import type { NamespacedName } from "../api/names.ts";
import type { Pod } from "../api/objects.ts";
import type { KubeClient } from "../kube/client.ts";
import type { KubeIpamStore } from "../kube/ipam-store.ts";
import type { RejectedReport } from "../kube/rejected-report.ts";
import type { ConnectionOptions } from "./connection.ts";
import type { ClusterState } from "./ipam-cluster-state.ts";
import { addIpamCommand, print, withIpamClient } from "./ipam-command.ts";

interface CheckOptions extends ConnectionOptions {
  readonly showAllIps?: true;
  readonly showProblemIps?: true;
  /** `json`, or a file. */
  readonly output?: string;
}

/** Adds `ipam check`: compares IPAM's records with each other, with pods and with nodes. Changes nothing. */
export function addIpamCheck(program: Command): void {
  addIpamCommand(program, "check", "compare address records with pods and nodes, and report what is leaked or wrong")
    .option("--show-all-ips", "every address that is given out, and whose it is")
    .option("--show-problem-ips", "what is wrong with each address, handle and block")
    .option(
      "-o, --output <file>",
      "write the report to this file too, for `ipam release --from-report`; json: to standard output, and nothing else " +
        "(./json is a file)",
    )
    .action(async (options: CheckOptions) => {
      const { formatCheck } = await import("./ipam-check-text.ts");
      const { reportOn } = await import("./ipam-report.ts");
      const { output } = options;
      const file = output === undefined || output === "json" ? undefined : await reportFile(output);
      const state = await withIpamClient(options, readClusterState);
      const report = reportOn(state);
      const shown = { allIps: options.showAllIps ?? false, problemIps: options.showProblemIps ?? false };
      await print({ output: output === "json" ? "json" : "text" }, report, () => formatCheck(state, report, shown));
      if (file !== undefined) await writeReport(file, report);
    });
}

// --- internal ---

/** Rejects when any part cannot be read: a check of less would report as leaked what is not. */
async function readClusterState(client: KubeClient): Promise<ClusterState> {
  const { KubeIpamStore } = await import("../kube/ipam-store.ts");
  const { systemClock } = await import("../host/clock.ts");
  const unreadable: RejectedReport[] = [];
  const store = new KubeIpamStore({ client, onRejected: (report) => unreadable.push(report) });
  const clusterId = await readClusterId(client);
  const before = await blocksOf(store);
  const [handles, affinities, pools, pods, nodes] = await Promise.all([
    store.handles.list(),
    store.affinities.list(),
    store.pools(),
    readPods(client, unreadable),
    readNodeNames(client),
  ]);
  const after = await blocksOf(store);
  return {
    ...{ clusterId, before, after, pools, pods, nodes, unreadable, nowMs: systemClock.now() },
    handles: handles.map(({ value }) => value),
    affinities: affinities.map(({ value }) => value),
  };
}

/** What tells this cluster from others: the UID of its namespace kube-system. Rejects as the client does. */
export async function readClusterId(client: KubeClient): Promise<string> {
  const { namespaceKind, resourcePath } = await import("../api/kinds.ts");
  const path = resourcePath(namespaceKind, { name: "kube-system" });
  const { metadata } = await client.request<{ readonly metadata: { readonly uid: string } }>("GET", path);
  return metadata.uid;
}

async function blocksOf(store: KubeIpamStore) {
  return (await store.blocks.list()).map(({ value }) => value);
}

async function readPods(client: KubeClient, unreadable: RejectedReport[]): Promise<ReadonlyMap<NamespacedName, Pod>> {
  const { podKind, resourcePath } = await import("../api/kinds.ts");
  const { parsePod } = await import("../api/kubernetes/pod.ts");
  const { listAll } = await import("../kube/list-all.ts");
  const { InvalidObjectError } = await import("../api/invalid-object-error.ts");
  const { podKey } = await import("./ipam-cluster-state.ts");
  const found = await listAll<PodJson>(client, resourcePath(podKind));
  const pods = found.map((json) => {
    try {
      return parsePod(json);
    } catch (error) {
      if (!(error instanceof InvalidObjectError)) throw error;
      unreadable.push({ kind: "Pod", key: error.object, reason: error.message });
      return unknownPod(json);
    }
  });
  return new Map(pods.map((pod) => [podKey(pod), pod]));
}

interface PodJson {
  readonly metadata: { readonly name: string; readonly namespace: string; readonly uid: string };
}

/** One that cannot be read still holds what it was given. */
function unknownPod({ metadata: { name, namespace, uid } }: PodJson): Pod {
  const nothing = {
    labels: {},
    annotations: {},
    node: undefined,
    serviceAccount: "default",
    ips: [],
    annotatedIps: [],
  };
  return { ...nothing, namespace, name, uid, hostNetwork: false, namedPorts: [], finished: false };
}

async function readNodeNames(client: KubeClient): Promise<ReadonlySet<string>> {
  const { nodeKind, resourcePath } = await import("../api/kinds.ts");
  const { listAll } = await import("../kube/list-all.ts");
  const nodes = await listAll<{ readonly metadata: { readonly name: string } }>(client, resourcePath(nodeKind));
  return new Set(nodes.map(({ metadata }) => metadata.name));
}

/** Where to write. Rejects when that cannot be, before a large cluster is read for nothing: no folder is made for it. */
async function reportFile(path: string): Promise<string> {
  const { statSync } = await import("node:fs");
  const { dirname, resolve } = await import("node:path");
  const isFolder = (place: string) => statSync(place, { throwIfNoEntry: false })?.isDirectory() ?? false;
  const file = resolve(path);
  const folder = dirname(file);
  const why = isFolder(file) ? "it is a folder" : isFolder(folder) ? undefined : `there is no folder ${folder}`;
  if (why === undefined) return file;
  throw new Error(`Cannot write the report ${path}: ${why}. Name a file in a folder that is there`);
}

/** For its owner only: it says which pods there are. Whole or not at all. */
async function writeReport(file: string, report: unknown): Promise<void> {
  const { LinuxHost } = await import("../host/linux-host.ts");
  const { formatJson } = await import("../kube/json.ts");
  await new LinuxHost().replaceFile(file, `${formatJson(report, 2)}\n`, 0o600);
}
