import { namespacedName } from "../api/names.ts";
import { type Attachment, attachmentKey, type Labels, type Namespace } from "../api/objects.ts";
import type { AssignedAddress } from "../ipam/ipam.ts";
import type { Ip } from "../net/ip.ts";
import { type AddressPlan, executedPlan, planAddresses } from "./address-request.ts";
import { allocate } from "./allocate.ts";
import { isPrimary } from "./attachments.ts";
import { clearSandbox } from "./clear-sandbox.ts";
import type { CniDependencies } from "./dependencies.ts";
import { executedAddresses, type GivenAddresses, releaseEarlier } from "./executed-addresses.ts";
import { ownIpam } from "./ipam-type.ts";
import type { NetConf } from "./net-conf.ts";
import { handleOf, type NodeState } from "./node-state.ts";
import type { PodTarget, RawRequest } from "./request.ts";
import { type Claimant, requireAllReadable, requireNobodys, requireUnused } from "./unused-addresses.ts";

/** A pod that is to have addresses. */
export interface AddressSeeker {
  readonly conf: NetConf;
  readonly target: PodTarget;
  readonly namespace: Namespace;
  /** The pod's. */
  readonly annotations: Labels;
  /** As it came. */
  readonly raw: RawRequest;
  /** The host's end of the interface that they are for. */
  readonly hostInterface: string;
}

/**
 * Which addresses the pod is to have. Throws as `planAddresses`. What is asked for and has no effect is reported. Annotations
 * are about the pod's first interface: another network has its own pools, and an address is one interface's only.
 */
export function planPodAddresses(
  { conf, target, namespace, annotations, hostInterface }: AddressSeeker,
  node: CniDependencies,
): AddressPlan {
  const name = namespacedName(target.pod.namespace, target.pod.name);
  const isFirst = isPrimary({ hostInterface, pod: name });
  const planned = conf.ipam.type === ownIpam ? planAddresses : executedPlan;
  return planned({
    conf,
    pod: name,
    podAnnotations: isFirst ? annotations : {},
    namespaceAnnotations: isFirst ? namespace.annotations : {},
    arguments: target.arguments,
    pools: node.pools(),
  });
}

/** What is known of the taking of addresses beside what is to be taken. */
export interface AddressCourse {
  /** Gives back what was taken. */
  readonly undo: AsyncDisposableStack;
  readonly signal: AbortSignal;
  /** Told what is most likely to be given, maybe more than once, when there is something to wait for. */
  readonly onChosen: (given: GivenAddresses) => void;
}

/**
 * Gives the pod what its plan says, and `undo` takes it back. Rejects as `allocate` or `executedAddresses`, or with a
 * `CniError` (101) when another container of this node, or another interface of this one, has one of the addresses, or as
 * `requireNobodys` for those past IPAM.
 */
export async function takeAddresses(
  seeker: AddressSeeker,
  plan: AddressPlan,
  state: NodeState,
  course: AddressCourse,
): Promise<GivenAddresses> {
  const { conf, target, namespace } = seeker;
  const { node } = state;
  const claimant = claimantOf(target);
  await releaseEarlier(seeker, plan.by, state);
  if (plan.by === "executed") {
    const given = await executedAddresses(seeker, state, course);
    await requireUnused(given.addresses, claimant, state);
    return given;
  }
  if (plan.by === "given") {
    await requireNobodys(plan.addresses, claimant, state);
    await requireAllReadable(claimant, state);
  }
  await requireUnused(plan.addresses, claimant, state);
  if (plan.by === "given") return { addresses: plan.addresses };
  await freeFixed(seeker, plan.addresses, state);
  const isInUse = async () => (await node.attachments.get(attachmentKey(target))) !== undefined;
  const onChosen = (some: readonly AssignedAddress[]) => course.onChosen({ addresses: some.map(({ ip }) => ip) });
  const allocation = {
    ...{ network: conf.name, target, plan, namespaceLabels: namespace.labels, isInUse, onChosen },
    // The attachment's file is there before the pod is, and says so to the next agent.
    mayBeNamedLater: true,
  };
  const addresses = (await allocate(allocation, state, course)).map(({ ip }) => ip);
  await requireUnused(addresses, claimant, state);
  return { addresses };
}

// --- internal ---

/** An earlier sandbox of the pod may have the same addresses, as it ends; another interface of the same one may not. */
function claimantOf({ pod, containerId, interfaceName, netns }: PodTarget): Claimant {
  const own = namespacedName(pod.namespace, pod.name);
  const isOther = (one: Attachment) => one.containerId === containerId && one.interfaceName !== interfaceName;
  return { name: `pod ${own}`, owns: (one) => one.pod === own && !isOther(one), netns };
}

/**
 * A runtime may make a pod's sandbox anew before it deletes the old one, which then holds the very address that the pod is
 * to have. The old one's end comes first in that case, as nobody else can give the address back.
 */
async function freeFixed(
  { conf, target, hostInterface }: AddressSeeker,
  wanted: readonly Ip[],
  state: NodeState,
): Promise<void> {
  for (const one of await state.node.attachments.list()) {
    if (one.hostInterface !== hostInterface || one.containerId === target.containerId) continue;
    if (one.addresses.some((ip) => wanted.includes(ip)))
      await clearSandbox(one, handleOf(conf.name, target.containerId), state);
  }
}
