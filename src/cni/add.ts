import { stat } from "node:fs/promises";
import { namespacedName } from "../api/names.ts";
import { type Attachment, attachmentKey, type Pod } from "../api/objects.ts";
import type { Ip } from "../net/ip.ts";
import { messageOf } from "../net/message-of.ts";
import type { StoredAttachment } from "./attachments.ts";
import { clearSandbox } from "./clear-sandbox.ts";
import { CniError, cniCode } from "./cni-error.ts";
import type { CniDependencies } from "./dependencies.ts";
import { findNamespace } from "./find-namespace.ts";
import { findPod } from "./find-pod.ts";
import { requireOwnHandle } from "./handle-users.ts";
import type { NetConf } from "./net-conf.ts";
import { handleOf, type NodeState } from "./node-state.ts";
import { planPodAddresses, takeAddresses } from "./pod-addresses.ts";
import { podMtu } from "./pod-mtu.ts";
import type { PodTarget } from "./request.ts";
import type { AddOutcome } from "./result.ts";
import { vethName } from "./veth-name.ts";
import { configure, hasPair, hostMac, type Wiring, wire } from "./wire.ts";
import { withdraw } from "./withdraw.ts";

export interface AddRequest {
  readonly conf: NetConf;
  readonly target: PodTarget;
}

/**
 * Wires one pod: addresses, interfaces, the attachment's file, and at last policy and routes. When it resolves the pod is
 * reachable and policed. The same ADD again gives the same answer, repairs what is not as it was made, and takes nothing
 * away, also when it rejects. When any other rejects, or `signal` aborts, nothing of it is left.
 */
export async function add(request: AddRequest, state: NodeState, signal: AbortSignal): Promise<AddOutcome> {
  const { node } = state;
  await requireForeignNamespace(request.target.netns, node);
  await requireOwnHandle({ ...request.target, kind: "attachments", network: request.conf.name }, state);
  const standing = await standingAttachment(request, state);
  if (standing !== undefined) {
    const mac = await configure(wiringOf(standing, request.conf), node);
    return outcomeOf(standing, mac, await publish(standing, node, signal));
  }
  await requireOnlyInterface(request.target, node);
  const pod = await findPod(request.target.pod, node, signal);
  const namespace = await findNamespace(pod.namespace, node, signal);
  const seeker = { conf: request.conf, target: request.target, namespace, annotations: pod.annotations };
  const plan = planPodAddresses(seeker, node);
  const mtu = await podMtu(request.conf, node);
  signal.throwIfAborted();

  await using undo = new AsyncDisposableStack();
  const addresses = await takeAddresses(seeker, plan, state, { undo, signal });
  signal.throwIfAborted();
  const attachment = attachmentOf(request, pod, addresses, mtu);
  // Not before there are addresses: until then the pod is better off with what it has than with nothing.
  await clearEarlier(attachment, state);
  const mac = await wire(wiringOf(attachment, request.conf), node, undo);
  const key = attachmentKey(attachment);
  undo.defer(() => node.attachments.remove(key));
  await node.attachments.write(attachment);
  undo.defer(() => withdraw(key, state));
  signal.throwIfAborted();
  const policyMs = await publish(attachment, node, signal);
  signal.throwIfAborted();
  undo.move();
  return outcomeOf(attachment, mac, policyMs);
}

/** What `wire` made, or would make, of an attachment. */
export function wiringOf(attachment: Attachment, conf: NetConf): Wiring {
  return {
    ...attachment,
    allowIpForwarding: conf.container_settings.allow_ip_forwarding,
    includeDefaultRoutes: conf.include_default_routes,
    routes: conf.ipam.routes,
  };
}

// --- the steps ---

/** A slip of the runtime's here would put the pod's addresses and routes on the node itself, or cut off a pod that runs. */
async function requireForeignNamespace(netns: string, node: CniDependencies): Promise<void> {
  let there: { readonly ino: number; readonly dev: number };
  try {
    const file = await stat(netns);
    // To open a pipe would hold up the whole agent.
    if (!file.isFile()) throw new Error("it is not a network namespace");
    node.openNetlink(netns).close();
    there = file;
  } catch (cause) {
    const sentence = `Cannot use ${netns} as the pod's network namespace: ${messageOf(cause)}`;
    throw new CniError(cniCode.invalidEnvironment, sentence, { cause });
  }
  const own = await stat("/proc/self/ns/net");
  if (there.ino === own.ino && there.dev === own.dev) {
    throw new CniError(cniCode.sameNamespace, `Cannot wire ${netns}: it is the node's own network namespace`);
  }
}

/** What an earlier ADD of the same target made, if the pair still joins pod and node. */
async function standingAttachment(
  { conf, target }: AddRequest,
  { node }: NodeState,
): Promise<StoredAttachment | undefined> {
  const stored = await node.attachments.get(attachmentKey(target));
  const asked = namespacedName(target.pod.namespace, target.pod.name);
  if (stored?.netns !== target.netns || stored.pod !== asked || stored.network !== conf.name) return undefined;
  return (await hasPair(wiringOf(stored, conf), node)) ? stored : undefined;
}

async function requireOnlyInterface({ containerId, interfaceName }: PodTarget, node: CniDependencies): Promise<void> {
  const other = (await node.attachments.list()).find(
    (one) => one.containerId === containerId && one.interfaceName !== interfaceName,
  );
  if (other === undefined) return;
  throw new CniError(
    cniCode.invalidConfiguration,
    `Cannot add ${interfaceName}: the container has ${other.interfaceName} already, and a pod has one interface`,
  );
}

/**
 * Takes away what stands in the way: an earlier try of this container, and earlier sandboxes of the same pod whose DEL has
 * not come yet, as the host's interface can be only one's.
 */
async function clearEarlier(
  { network, containerId, hostInterface }: StoredAttachment,
  state: NodeState,
): Promise<void> {
  for (const one of await state.node.attachments.list()) {
    if (one.hostInterface !== hostInterface && one.containerId !== containerId) continue;
    await clearSandbox(one, handleOf(network, containerId), state);
  }
}

function attachmentOf({ conf, target }: AddRequest, pod: Pod, addresses: readonly Ip[], mtu: number): StoredAttachment {
  return {
    network: conf.name,
    containerId: target.containerId,
    interfaceName: target.interfaceName,
    hostInterface: vethName(target.pod.namespace, target.pod.name),
    netns: target.netns,
    pod: namespacedName(target.pod.namespace, target.pod.name),
    // A static pod's UID is not the API server's, and its mirror there may be made anew while it runs: its name must do, which
    // no other pod of the cluster can have. So for a runtime that gives no UID, which may mean a later pod of this name.
    podUid: target.pod.uid === pod.uid ? pod.uid : undefined,
    addresses,
    mtu,
  };
}

/** Resolves to how long it took, in milliseconds, until the kernel held the pod's policy and then its routes. */
async function publish(attachment: StoredAttachment, node: CniDependencies, signal: AbortSignal): Promise<number> {
  const startedAt = node.clock.monotonicNow();
  await node.publish(attachment, signal);
  return node.clock.monotonicNow() - startedAt;
}

function outcomeOf(attachment: StoredAttachment, mac: string, policyMs: number): AddOutcome {
  return { ...attachment, hostMac, mac, policyMs };
}
