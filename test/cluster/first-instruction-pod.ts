import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { outsideAddresses } from "../../lab/layout.ts";
import { inNode } from "../../lab/node.ts";
import { CommandError } from "../../src/host/host.ts";
import { runProgram } from "../../src/host/run-program.ts";
import { forbiddenPorts, inheritedPorts, newcomerNamespaces, type Stage } from "./first-instruction-stage.ts";

/** A pod that is to be born. */
export interface Newcomer {
  readonly index: number;
  readonly namespace: (typeof newcomerNamespaces)[number];
  readonly role: "friend" | "stranger";
  /** Whether its block is known to nobody yet. */
  readonly isFirstOfBlock: boolean;
  /** Whether it tries what is forbidden before ADD returned, too. */
  readonly early: boolean;
  /** The runtime's patience with ADD. */
  readonly giveUpMs?: number | undefined;
  readonly holdMs: number;
}

/** One with a Pod object, and so with a UID. */
type BoundNewcomer = Newcomer & { readonly uid: string };

/** What became of one target. */
export interface TargetOutcome {
  readonly kind: "forbidden" | "now" | "soon";
  readonly to: string;
  readonly tries: number;
  readonly answers: number;
  readonly retransmits: number;
  /** From the end of ADD to the answer. */
  readonly us: number;
  readonly error: string;
}

interface PluginOutcome {
  readonly code: number;
  readonly killed: boolean;
  readonly us: number;
  readonly output: string;
}

/** What one sandbox has come to. */
export interface LifeOutcome {
  readonly add: PluginOutcome;
  readonly del: PluginOutcome;
  /** Interfaces in the sandbox after ADD, and after DEL. */
  readonly left: number;
  readonly remained: number;
  readonly targets: readonly TargetOutcome[];
}

/** Whether the guarded pods let it in. */
export function isWelcome({ namespace, role }: Newcomer): boolean {
  return namespace === newcomerNamespaces[0] && role === "friend";
}

/** Leads one sandbox of the pod through its whole life; see first-instruction.c. `enter` puts a program into the node. */
export async function liveOnce(stage: Stage, newcomer: BoundNewcomer, enter: readonly string[]): Promise<LifeOutcome> {
  const containerId = randomBytes(32).toString("hex");
  const args = [
    ...["IgnoreUnknown=1", `K8S_POD_NAMESPACE=${newcomer.namespace}`, `K8S_POD_NAME=${podName(newcomer)}`],
    ...[`K8S_POD_INFRA_CONTAINER_ID=${containerId}`, `K8S_POD_UID=${newcomer.uid}`],
  ].join(";");
  const argv: readonly [string, ...string[]] = [
    ...(enter as readonly [string, ...string[]]),
    ...["env", `CNI_CONTAINERID=${containerId}`, `CNI_ARGS=${args}`],
    ...["CNI_IFNAME=eth0", "CNI_PATH=/opt/cni/bin"],
    ...[`${stage.home.folder}/first-instruction`, `/run/netns/first-${containerId.slice(0, 12)}`, configPath(stage)],
    ...(newcomer.early ? ["--early"] : []),
    ...(newcomer.giveUpMs === undefined ? [] : ["--give-up", `${Math.ceil(newcomer.giveUpMs)}`]),
    ...["--hold", `${Math.ceil(newcomer.holdMs)}`],
    ...targetsOf(stage, newcomer),
  ];
  try {
    return JSON.parse((await runProgram(argv, { timeoutMs: 240_000 })).stdout) as LifeOutcome;
  } catch (cause) {
    const why = cause instanceof CommandError ? cause.message : String(cause);
    throw new Error(`Cannot lead pod ${podName(newcomer)} through its life: ${why}`, { cause });
  }
}

/** Writes what the first plugin of the node's own list is told, to where `liveOnce` has it read. */
export async function writePluginConfig(stage: Stage): Promise<void> {
  const { lab, home } = stage;
  const list = JSON.parse(await inNode(lab.layout, home, ["cat", "/etc/cni/net.d/10-calico.conflist"])) as PluginList;
  const { name, cniVersion, plugins } = list;
  await writeFile(configPath(stage), JSON.stringify({ name, cniVersion, ...plugins[0] }));
}

export function podName({ index }: Newcomer): string {
  return `newcomer-${index}`;
}

/** The port by which the pod's forbidden packets are known. */
export function forbiddenPort({ index }: Newcomer): number {
  return forbiddenPorts[0] + index;
}

// --- internal ---

interface PluginList {
  readonly name: string;
  readonly cniVersion: string;
  readonly plugins: readonly object[];
}

function configPath({ home }: Stage): string {
  return `${home.folder}/first-instruction.json`;
}

const echoPort = 8080;
/** A later owner of the address has the same five-tuple, for which the kernel may still know a connection. */
const fixedSource = 5555;

/** In an order that differs from pod to pod, so that each kind is the first instruction of some. */
function targetsOf(stage: Stage, newcomer: Newcomer): readonly string[] {
  const port = forbiddenPort(newcomer);
  const shut = [stage.closedHere, stage.closedThere, outsideAddresses[0], stage.home.address];
  const forbidden = (address: string) => [`forbidden/tcp/${address}/${port}`, `forbidden/udp/${address}/${port}`];
  const guarded = isWelcome(newcomer)
    ? [
        `now/tcp/${stage.guardedHere}/${echoPort}`,
        `soon/udp/${stage.guardedHere}/${echoPort}/${fixedSource}`,
        `soon/tcp/${stage.guardedThere}/${echoPort}`,
      ]
    : [
        ...forbidden(stage.guardedHere),
        `forbidden/udp/${stage.guardedHere}/${echoPort}/${fixedSource}`,
        `forbidden/tcp/${stage.guardedThere}/${inheritedPorts[0] + newcomer.index}`,
      ];
  const open = `${newcomer.isFirstOfBlock ? "soon" : "now"}/tcp/${stage.openThere}/${echoPort}`;
  const all = [...shut.flatMap(forbidden), ...guarded, open];
  const turn = newcomer.index % all.length;
  return [...all.slice(turn), ...all.slice(0, turn)];
}
