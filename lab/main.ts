/** What `margay lab …` does: one function a command. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { askPod } from "./ask-pod.ts";
import { findBinaries } from "./binaries.ts";
import { type Lab, openLab, startLab } from "./cluster.ts";
import { probeImage } from "./kubelet/images.ts";
import { podNamed, podNetns, readPods } from "./lab-pods.ts";
import { layoutOf, nodeNamed } from "./layout.ts";
import { checkPolicies, runMainJob } from "./main-job.ts";
import { enterNode, inNode } from "./node.ts";
import { killAll } from "./processes.ts";
import { showNetwork } from "./show-network.ts";
import { lockLab, recordedLabs, removeLab } from "./state.ts";

export interface LabSize {
  readonly name: string;
  readonly nodes: number;
  /** How many of the nodes, the first ones, run containerd and kubelet. With any there is no matrix to show. */
  readonly kubeletNodes: number;
}

const print = (text: string) => process.stdout.write(text);

/**
 * Starts the lab and shows what it does. Gives the exit code: 1 when a matrix is not as it should be; the lab stays.
 * An interrupt (SIGINT, SIGTERM, SIGHUP) removes all that was started, and gives 128 and the signal's number.
 */
export async function labUp({ name, nodes, kubeletNodes }: LabSize): Promise<number> {
  await using _lock = await lockLab(name);
  const started = Date.now();
  const progress = (line: string) =>
    print(`lab: ${((Date.now() - started) / 1000).toFixed(1).padStart(5)} s  ${line}\n`);
  // Awaited here: the lock holds until the work has ended.
  return await untilInterrupted(name, async (signal) => {
    const lab = await startLab({ name, nodes, kubeletNodes, progress, signal });
    // Only the stand-in's pods answer its questions.
    const good = kubeletNodes > 0 || (await runMainJob(lab, { progress, print }));
    if (kubeletNodes > 0)
      print(`\nOn ${kubeletNodes} of ${nodes} nodes containerd has one image for pods: ${probeImage}\n`);
    print(farewell(name, await firstPod(lab)));
    return good ? 0 : 1;
  });
}

/** Removes the lab, whatever state it is in. */
export async function labDown(name: string): Promise<void> {
  await using _lock = await lockLab(name);
  print((await removeLab(name)) ? `lab: ${name} is gone\n` : `lab: there is no lab named ${name}\n`);
}

/** Measures the matrix again and compares it. Gives the exit code. */
export async function labMatrix(name: string): Promise<number> {
  return (await checkPolicies(await openLab(name), print)) ? 0 : 1;
}

/** Nodes, routes, sessions, addresses; without a lab of that name, which labs there are. */
export async function labStatus(name: string): Promise<void> {
  const names = await recordedLabs();
  print(`labs on this machine: ${names.join(", ") || "none"}\n`);
  if (!names.includes(name)) return;
  const lab = await openLab(name);
  print(`kubeconfig: ${lab.kubeconfig}\n\n${await lab.kubectl(["get", "nodes", "--output=wide"])}`);
  print(await showNetwork(lab));
}

/** Runs kubectl on the lab, with this terminal. Gives its exit code. */
export async function labKubectl(name: string, argv: readonly string[]): Promise<number> {
  const { kubeconfig } = await openLab(name);
  return attached([(await findBinaries()).kubectl, `--kubeconfig=${kubeconfig}`, ...withoutDashes(argv)]);
}

/** Lists the pods; of one pod, its links and routes; with targets `ADDRESS:PORT`, whether it reaches them. Gives the exit code. */
export async function labPod(name: string, pod: string | undefined, targets: readonly string[]): Promise<number> {
  const lab = await openLab(name);
  if (pod === undefined) {
    for (const one of await readPods(lab)) {
      print(`${`${one.namespace}/${one.name}`.padEnd(40)} ${one.address.padEnd(15)} ${one.node.name}\n`);
    }
    return 0;
  }
  const found = await podNamed(lab, pod);
  if (targets.length === 0) {
    const netns = podNetns(found);
    print(`${found.namespace}/${found.name} on ${found.node.name}, network namespace ${netns} there\n`);
    for (const what of ["address", "route"]) print(await inNode(lab.layout, found.node, ["ip", "-n", netns, what]));
    return 0;
  }
  const answers = await askPod(found.socket, targets.map(targetOf));
  for (const [index, target] of targets.entries()) print(`${target}: ${answers[index]}\n`);
  return answers.every((answer) => answer === "open") ? 0 : 1;
}

/** Runs a program in a node (`node-1`) or in a pod's network (`NAMESPACE/NAME`), with this terminal. Gives its exit code. */
export async function labExec(name: string, place: string, argv: readonly string[]): Promise<number> {
  const lab = await openLab(name);
  const program = withoutDashes(argv);
  if (!place.includes("/")) return attached([...enterNode(lab.layout, nodeNamed(lab.layout, place)), ...program]);
  const pod = await podNamed(lab, place);
  return attached([
    ...enterNode(lab.layout, pod.node),
    "nsenter",
    `--net=/run/netns/${podNetns(pod)}`,
    "--",
    ...program,
  ]);
}

// --- internal ---

/** Runs `work`; an interrupt aborts it, waits until it has stopped making things, and removes them all. */
async function untilInterrupted(name: string, work: (signal: AbortSignal) => Promise<number>): Promise<number> {
  const abort = new AbortController();
  let interrupt: NodeJS.Signals | undefined;
  const onSignal = (signal: NodeJS.Signals) => {
    if (interrupt === undefined) print(`\nlab: ${signal}: removing ${name}\n`);
    interrupt ??= signal;
    abort.abort(new Error(`Cannot go on: ${signal}`));
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) process.on(signal, onSignal);
  try {
    return await untilAborted(name, abort.signal, work(abort.signal));
  } catch (error) {
    if (interrupt === undefined) throw error;
    await removeLab(name);
    return 128 + constants.signals[interrupt];
  } finally {
    for (const signal of signals) process.off(signal, onSignal);
  }
}

/** Once aborted, kills what `work` started and goes on starting, so that it fails soon; then throws. */
async function untilAborted(name: string, signal: AbortSignal, work: Promise<number>): Promise<number> {
  const ended = work.then(
    () => true,
    () => true,
  );
  const aborted = once(signal, "abort").then(() => false);
  if (!(await Promise.race([ended, aborted]))) {
    const { folder } = layoutOf(name, 1);
    do await killAll(folder);
    while (!(await Promise.race([ended, sleep(200, false)])));
  }
  signal.throwIfAborted();
  return work;
}

/** People set off what is for another program by `--`. */
function withoutDashes(argv: readonly string[]): readonly string[] {
  return argv[0] === "--" ? argv.slice(1) : argv;
}

async function attached([program, ...rest]: readonly [string, ...string[]]): Promise<number> {
  const child = spawn(program, rest, { stdio: "inherit" });
  const [code] = (await once(child, "close")) as [number | null];
  return code ?? 1;
}

function targetOf(text: string) {
  const colon = text.lastIndexOf(":");
  const port = Number(text.slice(colon + 1));
  if (colon < 1 || !Number.isInteger(port) || port < 1 || port > 65535) {
    throw new Error(`Cannot read ${text}: a target is ADDRESS:PORT`);
  }
  return { address: text.slice(0, colon), port, protocol: "TCP" as const, timeoutMs: 2500 };
}

async function firstPod(lab: Lab): Promise<string> {
  const [pod] = await readPods(lab);
  return pod === undefined ? "NAMESPACE/NAME" : `${pod.namespace}/${pod.name}`;
}

function farewell(name: string, pod: string): string {
  const which = name === "lab" ? "" : ` --name ${name}`;
  return [
    "\nThe lab runs on. Try next:",
    `  bin/margay lab kubectl${which} -- get pods --all-namespaces --output=wide`,
    `  bin/margay lab pod${which} ${pod}`,
    `  bin/margay lab matrix${which}`,
    `and to end it: bin/margay lab down${which}\n`,
    "",
  ].join("\n");
}
