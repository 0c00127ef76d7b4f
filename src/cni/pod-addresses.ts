import { namespacedName } from "../api/names.ts";
import { type Attachment, attachmentKey, type Labels, type Namespace } from "../api/objects.ts";
import type { Ip } from "../net/ip.ts";
import { type AddressPlan, planAddresses } from "./address-request.ts";
import { allocate } from "./allocate.ts";
import { clearSandbox } from "./clear-sandbox.ts";
import type { CniDependencies } from "./dependencies.ts";
import type { NetConf } from "./net-conf.ts";
import { handleOf, type NodeState } from "./node-state.ts";
import type { PodTarget } from "./request.ts";
import { requireAllReadable, requireNobodys, requireUnused } from "./unused-addresses.ts";
import { vethName } from "./veth-name.ts";

/** A pod that is to have addresses. */
export interface AddressSeeker {
  readonly conf: NetConf;
  readonly target: PodTarget;
  readonly namespace: Namespace;
  /** The pod's. */
  readonly annotations: Labels;
}

/** Which addresses the pod is to have. Throws as `planAddresses`. What is asked for and has no effect is reported. */
export function planPodAddresses(
  { conf, target, namespace, annotations }: AddressSeeker,
  node: CniDependencies,
): AddressPlan {
  const name = namespacedName(target.pod.namespace, target.pod.name);
  const plan = planAddresses({
    conf,
    pod: name,
    podAnnotations: annotations,
    namespaceAnnotations: namespace.annotations,
    arguments: target.arguments,
    pools: node.pools(),
  });
  if (plan.floatingIps.length > 0) {
    const asked = plan.floatingIps.join(", ");
    node.report("warn", `Pod ${name} asks for floating IPs (${asked}), which nothing leads to the pod yet: no effect`);
  }
  return plan;
}

/**
 * Gives the pod what its plan says, and `undo` takes it back. Rejects as `allocate`, or with a `CniError` (101) when
 * another container of this node has one of the addresses, or as `requireNobodys` for those past IPAM.
 */
export async function takeAddresses(
  { conf, target, namespace }: AddressSeeker,
  plan: AddressPlan,
  state: NodeState,
  course: { readonly undo: AsyncDisposableStack; readonly signal: AbortSignal },
): Promise<readonly Ip[]> {
  const { node } = state;
  const own = namespacedName(target.pod.namespace, target.pod.name);
  const claimant = { name: `pod ${own}`, owns: ({ pod }: Attachment) => pod === own };
  if (plan.by === "given") {
    await requireNobodys(plan.addresses, claimant, state);
    await requireAllReadable(claimant, state);
  }
  await requireUnused(plan.addresses, claimant, state);
  if (plan.by === "given") return plan.addresses;
  await freeFixed(conf.name, target, plan.addresses, state);
  const isInUse = async () => (await node.attachments.get(attachmentKey(target))) !== undefined;
  const allocation = { network: conf.name, target, plan, namespaceLabels: namespace.labels, isInUse };
  const addresses = (await allocate(allocation, state, course)).map(({ ip }) => ip);
  await requireUnused(addresses, claimant, state);
  return addresses;
}

// --- internal ---

/**
 * A runtime may make a pod's sandbox anew before it deletes the old one, which then holds the very address that the pod is
 * to have. The old one's end comes first in that case, as nobody else can give the address back.
 */
async function freeFixed(network: string, target: PodTarget, wanted: readonly Ip[], state: NodeState): Promise<void> {
  const hostInterface = vethName(target.pod.namespace, target.pod.name);
  for (const one of await state.node.attachments.list()) {
    if (one.hostInterface !== hostInterface || one.containerId === target.containerId) continue;
    if (one.addresses.some((ip) => wanted.includes(ip)))
      await clearSandbox(one, handleOf(network, target.containerId), state);
  }
}
