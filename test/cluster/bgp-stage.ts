/** A lab for campaigns against BGP: a pod on each node, and streams between them of which every packet counts. */
import { type Lab, startLab } from "../../lab/cluster.ts";
import { type LabPod, podNamed, podNetns } from "../../lab/lab-pods.ts";
import { type NodeLayout, podCidr } from "../../lab/layout.ts";
import { inNode, nodePath } from "../../lab/node.ts";
import { systemClock } from "../../src/host/clock.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { connect } from "../../src/kube/kubeconfig.ts";
import { type Flow, UdpStreams } from "../kernel/udp-streams.ts";
import { RouteLog } from "./bgp-route-log.ts";
import { oneOf, type Random } from "./restarts/random.ts";

/** Disposing of it ends what was started beside the lab; the lab stays. */
export interface BgpStage extends Disposable {
  readonly lab: Lab;
  /** An administrator's. */
  readonly client: KubeClient;
  /** One on each node, in the nodes' order. */
  readonly pods: readonly LabPod[];
  /** What has come of the streams so far. */
  readonly phases: Phase[];
  readonly routes: RouteLog;
  /** Each phase is told of as it ends, and whatever else a person wants to know. */
  readonly say: (line: string) => void;
}

/** From whom to whom. */
export type PodPair = readonly [LabPod, LabPod];

/** Streams while something was done. */
export interface Phase {
  readonly name: string;
  readonly streams: number;
  readonly sent: number;
  /** Each stream that lost packets, with how many and which. */
  readonly losses: readonly string[];
  readonly seconds: number;
}

/**
 * Starts the lab and its pods. No node has any way to another node's pods but the one that BGP brings: else the default route would
 * lead there too, as the router between the racks knows every block.
 */
export async function setBgpStage(name: string, nodes: number, say: BgpStage["say"]): Promise<BgpStage> {
  const lab = await startLab({ name, nodes, progress: () => undefined });
  await apply(lab, lab.layout.nodes.map(podOn));
  await lab.kubectl(["wait", "--for=condition=Ready", "pods", "--all", "--timeout=120s"]);
  const pods = await Promise.all(lab.layout.nodes.map((node) => podNamed(lab, `on-${node.name}`)));
  const fallback = ["ip", "route", "add", "unreachable", podCidr, "proto", "static", "metric", "4096"];
  for (const node of lab.layout.nodes) await inNode(lab.layout, node, fallback);
  const client = await connect({ kubeconfig: lab.kubeconfig, clock: systemClock });
  const routes = new RouteLog(lab);
  const end = () => {
    client.close();
    routes[Symbol.dispose]();
  };
  return { lab, client, pods, phases: [], routes, say, [Symbol.dispose]: end };
}

/** Server-side apply of all objects at once, in this order, by one owner: what it no longer names goes. */
export async function apply(lab: Lab, items: readonly object[]): Promise<void> {
  const argv = ["apply", "--server-side", "--force-conflicts", "--field-manager=campaign", "-f", "-"];
  await lab.kubectl(argv, JSON.stringify({ apiVersion: "v1", kind: "List", items }));
}

/** Some of the ordered pairs of pods, at least one within a rack and one across: all of them when `count` is as large. */
export function samplePairs({ pods }: Pick<BgpStage, "pods">, count: number, random: Random): readonly PodPair[] {
  const all = pods.flatMap((from) => pods.filter((to) => to !== from).map((to) => [from, to] as const));
  const isWithin = ([from, to]: PodPair) => from.node.rack === to.node.rack;
  const chosen = [all.filter(isWithin), all.filter((pair) => !isWithin(pair))].map((some) => oneOf(some, random));
  while (chosen.length < Math.min(count, all.length)) {
    const left = all.filter((pair) => !chosen.includes(pair));
    chosen.push(oneOf(left, random));
  }
  return chosen;
}

/** Has the streams go while this is done, and remembers what came of them. Rejects as `work` does, and the streams are ended. */
export async function measure(
  stage: BgpStage,
  { name, pairs }: { readonly name: string; readonly pairs: readonly PodPair[] },
  work: () => Promise<void>,
): Promise<Phase> {
  using streams = new UdpStreams();
  stage.routes.take();
  const begun = performance.now();
  const at = new Date().toISOString();
  await streams.start(pairs.map((pair) => flowOf(stage, pair)));
  await work();
  const { sent, losses } = await streams.count();
  const seconds = Math.round((performance.now() - begun) / 100) / 10;
  const phase = { name, streams: pairs.length, sent, losses, seconds };
  stage.phases.push(phase);
  stage.say(formatPhase(phase));
  // Each packet's number is its time in milliseconds.
  if (losses.length > 0) stage.say([`streams since ${at}; routes since then:`, ...stage.routes.take()].join("\n    "));
  return phase;
}

// --- internal ---

function podOn({ name }: NodeLayout): object {
  const containers = [{ name: "echo", image: "lab/echo", ports: [{ containerPort: 8080 }] }];
  const metadata = { name: `on-${name}`, namespace: "default" };
  return { apiVersion: "v1", kind: "Pod", metadata, spec: { nodeName: name, containers } };
}

function flowOf({ lab }: BgpStage, [from, to]: PodPair): Flow {
  const netnsOf = (pod: LabPod) => nodePath(lab.layout, pod.node, `/run/netns/${podNetns(pod)}`);
  return { fromNetns: netnsOf(from), toNetns: netnsOf(to), from: from.address, to: to.address };
}

function formatPhase({ name, streams, sent, losses, seconds }: Phase): string {
  const lost = losses.length === 0 ? "0 lost" : `LOST: ${losses.join("; ")}`;
  return `${name}: ${streams} streams, ${sent} packets in ${seconds} s, ${lost}`;
}
