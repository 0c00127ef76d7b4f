import { attachmentKey, type Labels } from "../api/objects.ts";
import { type AddressTest, type AssignedAddress, IpamError } from "../ipam/ipam.ts";
import { cidrSize } from "../net/cidr.ts";
import type { Ip } from "../net/ip.ts";
import { type AddressPlan, planAddresses } from "./address-request.ts";
import { allocate, podName } from "./allocate.ts";
import { CniError, cniCode } from "./cni-error.ts";
import { findNamespace } from "./find-namespace.ts";
import { isOthersHandle, requireOwnHandle } from "./handle-users.ts";
import type { ReleaseReason } from "./journal.ts";
import type { Lease } from "./leases.ts";
import type { DelegatedConf } from "./net-conf.ts";
import { handleOf, type NodeState } from "./node-state.ts";
import type { ArguedTarget, RawRequest } from "./request.ts";
import { gatewayOf, hasGateway, isSpecial } from "./subnet.ts";
import { requireUnused } from "./unused-addresses.ts";

/** One address for a container's interface. */
export interface LeasedAddress extends AssignedAddress {
  readonly gateway: Ip | undefined;
}

/** A container of another main plugin that wants addresses. */
export interface LeaseRequest {
  readonly conf: DelegatedConf;
  readonly target: ArguedTarget;
  /** As it came. */
  readonly raw: RawRequest;
}

/**
 * Addresses for one interface of a container that another main plugin wires. The same request again gives the same. When
 * it rejects, or `signal` aborts, nothing new is held, but for a gateway's address.
 */
export function leaseAddresses(
  request: LeaseRequest,
  state: NodeState,
  signal: AbortSignal,
): Promise<readonly LeasedAddress[]> {
  return state.holds.using(request.conf.name, async () => {
    try {
      return await lease(request, state, signal);
    } catch (error) {
      // What could not be given back whole is tried again later.
      if (!(error instanceof SuppressedError)) await state.intents.end(attachmentKey(request.target));
      throw error;
    }
  });
}

/** Gives back what `leaseAddresses` gave; nothing given is no error, and no API server is needed. */
export async function endLease(
  network: string,
  target: Pick<Lease, "containerId" | "interfaceName">,
  state: NodeState,
  why: ReleaseReason,
): Promise<void> {
  const { node, journal } = state;
  const { containerId } = target;
  const key = attachmentKey(target);
  const stored = await node.leases.get(key);
  for (const name of new Set([network, stored?.network ?? network])) {
    if (await isOthersHandle({ ...target, kind: "leases", network: name }, state)) continue;
    await journal.release(handleOf(name, containerId), { containerId, why });
  }
  await node.leases.remove(key);
}

// --- internal ---

async function lease(request: LeaseRequest, state: NodeState, signal: AbortSignal): Promise<readonly LeasedAddress[]> {
  const { conf, target } = request;
  const { leases } = state.node;
  await requireOwnHandle({ ...target, kind: "leases", network: conf.name }, state);
  const { plan, namespaceLabels } = await planOf(request, state, signal);
  const { containerId, interfaceName } = target;
  const key = attachmentKey(target);
  const standing = (await leases.get(key))?.addresses ?? [];
  const record: Lease = {
    ...{ network: conf.name, containerId, interfaceName, netns: seenNamespace(target, state) },
    ...{ pod: podName(target), addresses: standing },
  };
  const isInUse = async () => standing.length > 0;

  await using undo = new AsyncDisposableStack();
  if (standing.length === 0) {
    await state.intents.begin(request.raw);
    undo.defer(() => leases.remove(key));
    // What is held for the network is kept as long as it has a lease.
    if (hasGateway(conf)) await leases.write(record);
  }
  const isUnfit: AddressTest = (ip, block) => cidrSize(block) > 1n && isSpecial(ip, block, gatewayOf(conf, block));
  const wanted = { network: conf.name, target, plan, namespaceLabels, isInUse, isUnfit };
  const addresses = await allocate(wanted, state, { undo, signal });
  if (standing.length === 0) {
    const claimant = { name: `container ${containerId}`, owns: () => false };
    await requireUnused(
      addresses.map(({ ip }) => ip),
      claimant,
      state,
    );
  }
  const leased = addresses.map((one) => ({ ...one, gateway: gatewayOf(conf, one.block) }));
  for (const { gateway } of leased) {
    if (gateway !== undefined) await holdGateway(request, gateway, state, signal);
  }
  await leases.write({ ...record, addresses: addresses.map(({ ip, block }) => ({ ip, block })) });
  signal.throwIfAborted();
  if (standing.length === 0) await state.intents.end(key);
  undo.move();
  return leased;
}

/**
 * The path, when it will be gone once the container is: the agent sees it, and it is a mount. A process may end and leave its
 * network namespace to others.
 */
function seenNamespace({ netns }: ArguedTarget, { node }: NodeState): string | undefined {
  if (netns === undefined || !netns.startsWith("/") || netns.startsWith("/proc/")) return undefined;
  return node.mayLeadToNamespace(netns) ? netns : undefined;
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

async function holdGateway(request: LeaseRequest, ip: Ip, state: NodeState, signal: AbortSignal): Promise<void> {
  try {
    await state.holds.hold(request.conf.name, ip, signal);
  } catch (cause) {
    if (!(cause instanceof IpamError && cause.reason === "taken")) throw cause;
    const { type, name } = request.conf;
    const sentence = `Cannot let plugin ${type} of network ${name} have its gateway's address ${ip}: another holds it. Free it, or use a network without a gateway`;
    throw new CniError(cniCode.noAddress, sentence, { details: cause.message, cause });
  }
}
