import { type AttachmentKey, attachmentKey, type Labels } from "../api/objects.ts";
import { type AssignedAddress, IpamError } from "../ipam/ipam.ts";
import type { Ip } from "../net/ip.ts";
import { type AddressPlan, planAddresses } from "./address-request.ts";
import { allocate, nodeAttributes, podName } from "./allocate.ts";
import { CniError, cniCode } from "./cni-error.ts";
import { findNamespace } from "./find-namespace.ts";
import type { Lease } from "./leases.ts";
import type { DelegatedConf } from "./net-conf.ts";
import { handleOf, type NodeState } from "./node-state.ts";
import type { ArguedTarget } from "./request.ts";
import { gatewayOf, isSpecial } from "./subnet.ts";

/** One address for a container's interface. */
export interface LeasedAddress extends AssignedAddress {
  readonly gateway: Ip | undefined;
}

/** A container of another main plugin that wants addresses. */
export interface LeaseRequest {
  readonly conf: DelegatedConf;
  readonly target: ArguedTarget;
}

/**
 * Addresses for one interface of a container that another main plugin wires. The same request again gives the same. When
 * it rejects, or `signal` aborts, nothing new is held, but for addresses of a network that no container can have.
 */
export async function leaseAddresses(
  request: LeaseRequest,
  state: NodeState,
  signal: AbortSignal,
): Promise<readonly LeasedAddress[]> {
  const { conf, target } = request;
  const { leases } = state.node;
  await requireOwnHandle(request, state);
  const { plan, namespaceLabels } = await planOf(request, state, signal);
  const { containerId, interfaceName } = target;
  const key = attachmentKey(target);
  const standing = (await leases.get(key))?.addresses ?? [];
  const lease: Lease = { network: conf.name, containerId, interfaceName, pod: podName(target), addresses: standing };
  const isInUse = async () => standing.length > 0;

  await using undo = new AsyncDisposableStack();
  if (standing.length === 0) {
    undo.defer(() => leases.remove(key));
    await leases.write(lease);
  }
  const seek = (stack: AsyncDisposableStack) =>
    allocate({ network: conf.name, target, plan, namespaceLabels, isInUse }, state, { undo: stack, signal });
  // What a container uses, or is to have by name, is not changed for another.
  const isFree = standing.length === 0 && plan.addresses.length === 0;
  const addresses = isFree ? await fitAddresses(request, seek, { state, undo, signal }) : await seek(undo);
  const leased = addresses.map((one) => ({ ...one, gateway: gatewayOf(conf, one.block) }));
  for (const { gateway } of leased) {
    if (gateway !== undefined) await holdGateway(request, gateway, state, signal);
  }
  await leases.write({ ...lease, addresses: addresses.map(({ ip, block }) => ({ ip, block })) });
  signal.throwIfAborted();
  undo.move();
  return leased;
}

/** Gives back what `leaseAddresses` gave; nothing given is no error, and no API server is needed. */
export async function endLease(
  network: string,
  target: Pick<Lease, "containerId" | "interfaceName">,
  state: NodeState,
  why: "DEL" | "GC by the runtime",
): Promise<void> {
  const { node, journal } = state;
  const { containerId } = target;
  const key = attachmentKey(target);
  const stored = await node.leases.get(key);
  for (const name of new Set([network, stored?.network ?? network])) {
    if (!(await isOthers(name, containerId, key, state)))
      await journal.release(handleOf(name, containerId), { containerId, why });
  }
  await node.leases.remove(key);
}

// --- internal ---

/** How often addresses that no container can have may come up one after the other: there are three in a block. */
const maxAttempts = 12;

/** A handle is of a container and a network, as upstream, so it can serve one interface only. */
async function requireOwnHandle({ conf, target }: LeaseRequest, state: NodeState): Promise<void> {
  const user = await userOfHandle(conf.name, target.containerId, attachmentKey(target), state);
  if (user === undefined) return;
  throw new CniError(
    cniCode.invalidConfiguration,
    `Cannot give ${target.interfaceName} addresses of network ${conf.name}: ${user} of the same container has some already, and a container has one interface in a network`,
  );
}

async function isOthers(...args: Parameters<typeof userOfHandle>): Promise<boolean> {
  return (await userOfHandle(...args)) !== undefined;
}

/** The interface, other than `key`, that stands on what the container's handle holds. */
async function userOfHandle(
  network: string,
  containerId: string,
  key: AttachmentKey,
  { node }: NodeState,
): Promise<string | undefined> {
  const leases = (await node.leases.list()).filter((one) => attachmentKey(one) !== key);
  const attachments = await node.attachments.list();
  return [...leases, ...attachments].find((one) => one.network === network && one.containerId === containerId)
    ?.interfaceName;
}

/** Only `calico` reads annotations, as upstream: what wires the container may not know them. */
async function planOf(
  { conf, target }: LeaseRequest,
  { node }: NodeState,
  signal: AbortSignal,
): Promise<{ readonly plan: AddressPlan; readonly namespaceLabels: Labels | undefined }> {
  const { pod } = target;
  const namespace = pod === undefined ? undefined : await findNamespace(pod.namespace, node, signal);
  const plan = planAddresses({
    conf,
    pod: podName(target),
    podAnnotations: {},
    namespaceAnnotations: {},
    arguments: target.arguments,
    pools: node.pools(),
  });
  return { plan, namespaceLabels: namespace?.labels };
}

interface Course {
  readonly state: NodeState;
  readonly undo: AsyncDisposableStack;
  readonly signal: AbortSignal;
}

/**
 * Seeks until no address is one that a container cannot have. Such a one is kept from then on, by a handle of its own, so
 * that it does not come up again.
 */
async function fitAddresses(
  request: LeaseRequest,
  seek: (undo: AsyncDisposableStack) => Promise<readonly AssignedAddress[]>,
  { state, undo, signal }: Course,
): Promise<readonly AssignedAddress[]> {
  const { conf, target } = request;
  const { containerId } = target;
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    await using tried = new AsyncDisposableStack();
    const addresses = await seek(tried);
    const special = addresses.filter(({ ip, block }) => isSpecial(ip, block, gatewayOf(conf, block)));
    if (special.length === 0) {
      const kept = tried.move();
      undo.defer(() => kept.disposeAsync());
      return addresses;
    }
    tried.move();
    await state.journal.release(handleOf(conf.name, containerId), {
      containerId,
      why: "network, broadcast or gateway address",
    });
    for (const { ip } of special) await keep(request, ip, state, signal);
  }
  const sentence = `Cannot find an address for container ${containerId} in network ${conf.name}: every one that came up is a network's own, its broadcast or gateway address. Try again`;
  throw new CniError(cniCode.tryAgainLater, sentence);
}

/** Somebody else who is first may have it: it is not ours then, which is all that is wanted. */
async function keep(request: LeaseRequest, ip: Ip, state: NodeState, signal: AbortSignal): Promise<void> {
  try {
    await hold(request, ip, state, signal);
  } catch (error) {
    if (!(error instanceof IpamError && error.reason === "taken")) throw error;
  }
}

async function holdGateway(request: LeaseRequest, ip: Ip, state: NodeState, signal: AbortSignal): Promise<void> {
  try {
    await hold(request, ip, state, signal);
  } catch (cause) {
    if (!(cause instanceof IpamError && cause.reason === "taken")) throw cause;
    const { type, name } = request.conf;
    const sentence = `Cannot let plugin ${type} of network ${name} have its gateway's address ${ip}: another holds it. Free it, or use a network without a gateway`;
    throw new CniError(cniCode.noAddress, sentence, { details: cause.message, cause });
  }
}

/**
 * Holds an address for the network itself. It stays held for as long as there is the node, since a bridge keeps its address
 * when its last container goes. No container's handle has a colon.
 */
async function hold({ conf }: LeaseRequest, ip: Ip, state: NodeState, signal: AbortSignal): Promise<void> {
  const { node } = state;
  const handle = `${conf.name}:${node.nodeName}:${ip}`;
  const note = `kept from containers of network ${conf.name}: a network's own, its broadcast or gateway address`;
  const attributes = { ...nodeAttributes(state), note };
  await node.ipam.assign({ handle, v4: 0, v6: 0, addresses: [ip], attributes }, signal);
}
