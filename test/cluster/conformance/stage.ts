/** The lab with the world of world.ts in it, and a prober wherever somebody asks. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Lab, startLab } from "../../../lab/cluster.ts";
import { inNamespace } from "../../../lab/fabric.ts";
import { podNamed, podNetns } from "../../../lab/lab-pods.ts";
import { nodeNamed, outsideAddresses } from "../../../lab/layout.ts";
import { enterNode } from "../../../lab/node.ts";
import { startProcess } from "../../../lab/processes.ts";
import { waitFor } from "../../../lab/wait.ts";
import { systemClock } from "../../../src/host/clock.ts";
import type { KubeClient } from "../../../src/kube/client.ts";
import { connect } from "../../../src/kube/kubeconfig.ts";
import { applyObject, pathOf, removeObject } from "./objects.ts";
import { buildProber, Prober } from "./prober.ts";
import { metadataAddress, nameOf, nodeAddresses, nodeNames, pods, type WorldPod } from "./world.ts";
import { namespaceObjects, podObject, workloadObjects } from "./world-objects.ts";

export interface Stage extends AsyncDisposable {
  readonly lab: Lab;
  readonly client: KubeClient;
  /** By who asks. */
  readonly probers: ReadonlyMap<string, Prober>;
  /** Of an asker, the name server or the metadata; or of the Service `to-…` of one. */
  addressOf(name: string, via: "address" | "service"): string;
  /** Deletes the pod and makes it anew, with the same address and these labels. Resolves when it is Ready. */
  recreate(pod: WorldPod, labels: WorldPod["labels"]): Promise<void>;
}

/** Starts the lab and everything in it. Disposing of it leaves the lab to `removeLab`. */
export async function setStage(name: string): Promise<Stage> {
  await using undo = new AsyncDisposableStack();
  const lab = await startLab({ name, nodes: 3, progress: () => {} });
  const client = await connect({ kubeconfig: lab.kubeconfig, clock: systemClock });
  undo.defer(() => client.close());
  for (const object of [...namespaceObjects(), ...workloadObjects()]) await applyObject(client, object);
  await openOutside(lab);
  const binary = await buildProber(lab.layout.folder);
  await lab.kubectl(["wait", "--for=condition=Ready", "pods", "--all", "--all-namespaces", "--timeout=90s"]);
  const probers = new Map<string, Prober>();
  undo.defer(() => {
    for (const prober of probers.values()) prober[Symbol.dispose]();
  });
  const startIn = async (pod: WorldPod) => {
    probers.get(nameOf(pod))?.[Symbol.dispose]();
    probers.set(nameOf(pod), await Prober.start(nameOf(pod), [...(await intoPod(lab, pod)), binary]));
  };
  await Promise.all(pods.map(startIn));
  for (const [asker, argv] of machines(lab)) {
    const [program, ...rest] = argv;
    probers.set(asker, await Prober.start(asker, [program, ...rest.map((word) => (word === "" ? binary : word))]));
  }
  const addresses = await readAddresses(lab);
  const all = undo.move();
  return {
    ...{ lab, client, probers },
    addressOf: (to, via) => {
      const address = addresses.get(`${to} ${via}`);
      if (address === undefined) throw new Error(`Cannot find the address of ${to} by ${via}`);
      return address;
    },
    recreate: async (pod, labels) => {
      await recreatePod({ lab, client }, pod, labels);
      await startIn(pod);
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

// --- internal ---

const outsidePorts = (["TCP", "UDP"] as const).flatMap((protocol) => [80, 81].map((port) => ({ port, protocol })));

/** The outside machine echoes on the ports of the world, and is the metadata's address too. */
async function openOutside({ layout }: Lab): Promise<void> {
  await inNamespace(layout.client, ["ip", "address", "add", `${metadataAddress}/32`, "dev", "eth0"]);
  await inNamespace(layout.router, ["ip", "route", "add", metadataAddress, "via", outsideAddresses[0]]);
  const socket = join(layout.folder, "outside.sock");
  const script = join(import.meta.dirname, "../../../lab/pod.ts");
  await startProcess({
    folder: layout.folder,
    name: "outside-echo",
    argv: [process.execPath, script, socket, JSON.stringify(outsidePorts)],
    netns: layout.client,
    lifetime: "lab",
  });
  await waitFor("the outside echo", { timeoutMs: 20_000, everyMs: 20 }, async () => existsSync(socket) || undefined);
}

async function intoPod(lab: Lab, pod: WorldPod): Promise<readonly [string, ...string[]]> {
  const running = await podNamed(lab, nameOf(pod));
  const inside = ["nsenter", `--net=/run/netns/${podNetns(running)}`, "--"];
  return [...enterNode(lab.layout, running.node), ...inside] as [string, ...string[]];
}

/** The nodes and the two addresses outside, as argv; the empty word stands for the prober. */
function machines({ layout }: Lab): readonly (readonly [string, readonly [string, ...string[]]])[] {
  const into = (netns: string) => ["nsenter", `--net=/run/netns/${netns}`, "--", ""] as const;
  return [
    ...nodeNames.map((name) => [name, into(nodeNamed(layout, name).netns)] as const),
    ...outsideAddresses.map((address, index) => [`outside-${index + 1}`, [...into(layout.client), address]] as const),
  ];
}

interface Service {
  readonly metadata: { readonly namespace: string; readonly name: string };
  readonly spec: { readonly clusterIP: string };
}

async function readAddresses(lab: Lab): Promise<ReadonlyMap<string, string>> {
  const addresses = new Map<string, string>(
    Object.entries(nodeAddresses).map(([name, one]) => [`${name} address`, one]),
  );
  for (const pod of pods) addresses.set(`${nameOf(pod)} address`, pod.address);
  addresses.set("kube-system/dns address", "192.168.102.53").set("metadata address", metadataAddress);
  for (const [index, address] of outsideAddresses.entries()) addresses.set(`outside-${index + 1} address`, address);
  const { items } = JSON.parse(await lab.kubectl(["get", "services", "--all-namespaces", "--output=json"])) as {
    readonly items: readonly Service[];
  };
  for (const { metadata, spec } of items) {
    const name = metadata.name.replace("to-", "");
    const to = name.startsWith("host-") ? name.replace("host", "node") : `${metadata.namespace}/${name}`;
    addresses.set(`${to} service`, spec.clusterIP);
  }
  return addresses;
}

async function recreatePod(
  { lab, client }: Pick<Stage, "lab" | "client">,
  pod: WorldPod,
  labels: WorldPod["labels"],
): Promise<void> {
  const object = podObject(pod, labels);
  await removeObject(client, object);
  const [target, namespace] = [`pod/${pod.name}`, `--namespace=${pod.namespace}`];
  await lab.kubectl(["wait", "--for=delete", target, namespace, "--timeout=60s"]);
  await applyObject(client, object);
  await lab.kubectl(["wait", "--for=condition=Ready", target, namespace, "--timeout=60s"]);
  const { status } = await client.request<{ status: { podIP: string } }>("GET", pathOf(object));
  if (status.podIP !== pod.address) throw new Error(`Cannot make ${nameOf(pod)} anew: it has ${status.podIP}`);
}
