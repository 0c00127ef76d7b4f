import { statSync } from "node:fs";
import { setImmediate as turnOfEvents } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { namespacedName } from "../api/names.ts";
import { attachmentKey, type Pod } from "../api/objects.ts";
import { inNetns } from "../host/netns.ts";
import { allEnded } from "../net/all-ended.ts";
import { messageOf } from "../net/message-of.ts";
import type { AddressPlan } from "./address-request.ts";
import type { StoredAttachment } from "./attachments.ts";
import { bandwidthPluginOf } from "./bandwidth-plugin.ts";
import { clearSandbox } from "./clear-sandbox.ts";
import { CniError, cniCode } from "./cni-error.ts";
import type { CniDependencies } from "./dependencies.ts";
import type { GivenAddresses } from "./executed-addresses.ts";
import { findNamespace } from "./find-namespace.ts";
import { findPod } from "./find-pod.ts";
import { requireOwnHandle } from "./handle-users.ts";
import { hostInterfaceOf, requireFreeName } from "./host-interface.ts";
import type { NetConf } from "./net-conf.ts";
import { handleOf, type NodeState } from "./node-state.ts";
import { type AddressSeeker, planPodAddresses, takeAddresses } from "./pod-addresses.ts";
import { podMtu } from "./pod-mtu.ts";
import { PolicyWait } from "./policy-wait.ts";
import type { PodTarget, RawRequest } from "./request.ts";
import type { AddOutcome } from "./result.ts";
import { routeWish } from "./route-wish.ts";
import { configure, hasPair, hostMac, makePair, removePair, type Wiring } from "./wire.ts";
import { withdraw } from "./withdraw.ts";

export interface AddRequest {
  readonly conf: NetConf;
  readonly target: PodTarget;
  /** As it came. */
  readonly raw: RawRequest;
}

/**
 * Wires one pod: addresses, interfaces, the attachment's file, and at last policy and routes. When it resolves the pod is
 * reachable and policed. The same ADD again gives the same answer, repairs what is not as it was made, and takes nothing
 * away, also when it rejects. When any other rejects, or `signal` aborts, nothing of it is left.
 */
export async function add(request: AddRequest, state: NodeState, signal: AbortSignal): Promise<AddOutcome> {
  const { node } = state;
  requireForeignNamespace(request.target.netns);
  await requireOwnHandle({ ...request.target, kind: "attachments", network: request.conf.name }, state);
  const standing = await standingAttachment(request, state);
  if (standing !== undefined) {
    const mac = await configure(wiringOf(standing, request.conf), node);
    const policy = policyWaitOf(request, node, signal);
    await policy.publish(standing);
    return outcomeOf(standing, mac, policy.waitedMs);
  }
  const hostInterface = await hostInterfaceOf(request.target, node);
  const pod = await findPod(request.target.pod, node, signal);
  const namespace = await findNamespace(pod.namespace, node, signal);
  const seeker = { ...request, namespace, annotations: pod.annotations, hostInterface };
  const plan = planPodAddresses(seeker, node);
  const bandwidthPlugin = await bandwidthPluginOf(request.conf.name, node);
  const bare = { ...attachmentOf(request, pod, await podMtu(request.conf, node)), bandwidthPlugin, hostInterface };
  // Else whoever makes the pair finds out. An earlier sandbox of the pod must not go for one that cannot come.
  if ((await earlierOf(bare, state)).length > 0) await requireFreeName(request.target, hostInterface, node);
  signal.throwIfAborted();

  const policy = policyWaitOf(request, node, signal);
  const attaching = { request, seeker, plan, bare, policy, state, signal };
  await state.intents.begin(request.raw);
  try {
    return await attach(attaching);
  } catch (error) {
    // What could not be undone whole is tried again later.
    if (!(error instanceof SuppressedError)) await state.intents.end(attachmentKey(bare));
    throw error;
  }
}

/** What an ADD makes, or would make, of an attachment. */
export function wiringOf(attachment: StoredAttachment, conf: NetConf): Wiring {
  return {
    ...attachment,
    allowIpForwarding: conf.container_settings.allow_ip_forwarding,
    ...routeWish(attachment, conf),
  };
}

// --- the steps ---

/** A slip of the runtime's here would put the pod's addresses and routes on the node itself, or cut off a pod that runs. */
function requireForeignNamespace(netns: string): void {
  let there: { readonly ino: number; readonly dev: number };
  try {
    // Not to be waited for: what the kernel tells of a file in memory costs less than to wait.
    const file = statSync(netns);
    // To open a pipe would hold up the whole agent.
    if (!file.isFile()) throw new Error("it is not a network namespace");
    inNetns(netns, () => undefined);
    there = file;
  } catch (cause) {
    const sentence = `Cannot use ${netns} as the pod's network namespace: ${messageOf(cause)}`;
    throw new CniError(cniCode.invalidEnvironment, sentence, { cause });
  }
  const own = statSync("/proc/self/ns/net");
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

/** An ADD that has been found fit to be done. */
interface Attaching {
  readonly request: AddRequest;
  readonly seeker: AddressSeeker;
  readonly plan: AddressPlan;
  /** Without its addresses. */
  readonly bare: StoredAttachment;
  readonly policy: PolicyWait;
  readonly state: NodeState;
  readonly signal: AbortSignal;
}

/**
 * Seeks addresses, and meanwhile makes what does not wait for the API server's word: the rules, which let nothing through to
 * where no route leads, and the pair, with the addresses that are most likely to be given. Then it brings both together. When it
 * rejects everything is undone, unless with a `SuppressedError`.
 */
async function attach(attaching: Attaching): Promise<AddOutcome> {
  const { seeker, plan, bare, policy, state, signal } = attaching;
  await using undo = new AsyncDisposableStack();
  const giveBack = new AsyncDisposableStack();
  const unwire = new AsyncDisposableStack();
  undo.defer(async () => {
    // What is wired goes before its addresses are free for others: while it cannot be taken away, they are not.
    await unwire.disposeAsync();
    await giveBack.disposeAsync();
  });
  // Where an earlier sandbox is in the way it stays until there are addresses: something is better than nothing for the pod.
  const isFree = (await earlierOf(bare, state)).length === 0;
  const chosen = Promise.withResolvers<GivenAddresses>();
  const taking = takeAddresses(seeker, plan, state, { undo: giveBack, signal, onChosen: chosen.resolve });
  taking.then(chosen.resolve, chosen.reject);
  // Who waits for them hears of it from both.
  chosen.promise.catch(() => undefined);
  const [given, early] = await allEnded([
    taking,
    isFree ? prepare(attaching, unwire, chosen.promise) : Promise.resolve(undefined),
  ]);
  signal.throwIfAborted();
  for (const one of isFree ? [] : await earlierOf(bare, state)) {
    await clearSandbox(one, handleOf(bare.network, bare.containerId), state);
  }
  const wired = early ?? (await prepare(attaching, unwire, taking));
  const attachment = { ...bare, ...given };
  const mac = await finalMac(attaching, attachment, wired);
  await allEnded([record(attachment, attaching, undo), policy.publish(attachment)]);
  signal.throwIfAborted();
  undo.move();
  return outcomeOf(attachment, mac, policy.waitedMs);
}

/** A pair, and how it was made. */
interface WiredPair {
  readonly wiring: Wiring;
  readonly mac: string;
}

/** Makes the rules of the pod, and its pair with these addresses; `unwire` takes them back, and what comes after them. */
async function prepare(
  { bare, policy, request, state, signal }: Attaching,
  unwire: AsyncDisposableStack,
  chosen: Promise<GivenAddresses>,
): Promise<WiredPair> {
  const { node } = state;
  const key = attachmentKey(bare);
  unwire.defer(() => node.attachments.remove(key));
  unwire.defer(() => removePair(bare, node));
  unwire.defer(() => withdraw(key, state));
  const given = await chosen;
  // The request for them goes out first: it takes longest, and all else is done while it is under way.
  await turnOfEvents();
  const wiring = wiringOf({ ...bare, ...given }, request.conf);
  const { wireTurns } = state;
  const wire = wireTurns.run((leave) => {
    // Whoever gave up while it waited has made nothing yet.
    signal.throwIfAborted();
    return makeConfigured(wiring, request, node, leave);
  });
  // Beside many others one pass of Felix for the whole attachment costs them less than two.
  const rules = wireTurns.isCrowded ? Promise.resolve() : policy.publish(bare);
  const [, mac] = await allEnded([rules, wire]);
  return { wiring, mac };
}

/** Somebody else may have been first to take the addresses that the pair was made with: then it is made anew. */
async function finalMac(
  { request, state }: Attaching,
  attachment: StoredAttachment,
  wired: WiredPair,
): Promise<string> {
  const wiring = wiringOf(attachment, request.conf);
  if (isDeepStrictEqual(wired.wiring, wiring)) return wired.mac;
  return makeConfigured(wiring, request, state.node);
}

/** Answers the MAC of the pod's end. `onWait`: as for `configure`. */
async function makeConfigured(
  wiring: Wiring,
  { target }: AddRequest,
  node: CniDependencies,
  onWait?: () => void,
): Promise<string> {
  await makePair(wiring, node, () => requireFreeName(target, wiring.hostInterface, node));
  return configure(wiring, node, onWait);
}

/** From now on it is an agent that starts anew which brings it about, instead of undoing it. `undo` takes that back. */
async function record(attachment: StoredAttachment, { request, state }: Attaching, undo: AsyncDisposableStack) {
  await state.node.attachments.write(attachment);
  undo.defer(() => state.intents.begin(request.raw));
  await state.intents.end(attachmentKey(attachment));
}

/**
 * What stands in the way: an earlier try of this interface, and earlier sandboxes of the same pod whose DEL has not come
 * yet, as the host's interface can be only one's. Other interfaces of the container are in nobody's way.
 */
async function earlierOf(bare: StoredAttachment, { node }: NodeState): Promise<readonly StoredAttachment[]> {
  const key = attachmentKey(bare);
  const all = await node.attachments.list();
  return all.filter((one) => one.hostInterface === bare.hostInterface || attachmentKey(one) === key);
}

function attachmentOf({ conf, target }: AddRequest, pod: Pod, mtu: number): Omit<StoredAttachment, "hostInterface"> {
  return {
    network: conf.name,
    containerId: target.containerId,
    interfaceName: target.interfaceName,
    netns: target.netns,
    pod: namespacedName(target.pod.namespace, target.pod.name),
    // A static pod's UID is not the API server's, and its mirror there may be made anew while it runs: its name must do, which
    // no other pod of the cluster can have. So for a runtime that gives no UID, which may mean a later pod of this name.
    podUid: target.pod.uid === pod.uid ? pod.uid : undefined,
    addresses: [],
    mtu,
  };
}

function policyWaitOf({ conf, target }: AddRequest, node: CniDependencies, signal: AbortSignal): PolicyWait {
  return new PolicyWait({ conf, pod: target.pod, node, signal });
}

function outcomeOf(attachment: StoredAttachment, mac: string, policyMs: number): AddOutcome {
  return { ...attachment, hostMac, mac, policyMs };
}
