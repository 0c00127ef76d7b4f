import { type NamespacedName, namespacedName } from "../api/names.ts";
import type { Labels } from "../api/objects.ts";
import { type AddressTest, type AssignedAddress, type AssignRequest, IpamError } from "../ipam/ipam.ts";
import type { AddressPlan } from "./address-request.ts";
import { nodeAttributes } from "./node-attributes.ts";
import { handleOf, type NodeState } from "./node-state.ts";
import type { Target } from "./request.ts";

/** For whom addresses are sought. */
export interface Allocation {
  readonly network: string;
  readonly target: Target;
  readonly plan: AddressPlan;
  /** Those of the pod's namespace; undefined for what is no pod. */
  readonly namespaceLabels: Labels | undefined;
  /** As in `AssignRequest`. */
  readonly isUnfit?: AddressTest;
  /** As in `AssignRequest`. */
  readonly mayBeNamedLater?: boolean;
  /** As in `AssignRequest`. */
  readonly onChosen?: (addresses: readonly AssignedAddress[]) => void;
  /** Whether something stands on the handle's addresses already, which is its DEL's to give back. */
  readonly isInUse: () => Promise<boolean>;
}

/**
 * Has IPAM give what the plan asks for; the same handle gets the same again. `undo` gives it back. Rejects as
 * `Ipam.assign`, with nothing kept after an `IpamError`.
 */
export async function allocate(
  allocation: Allocation,
  state: NodeState,
  { undo, signal }: { readonly undo: AsyncDisposableStack; readonly signal: AbortSignal },
): Promise<readonly AssignedAddress[]> {
  const { node, journal } = state;
  const { network, isInUse } = allocation;
  const { containerId } = allocation.target;
  const handle = handleOf(network, containerId);
  // An old debt of the same handle must not take the addresses away again.
  await journal.forget(handle);
  let refused = false;
  // A refusal keeps nothing. Any other failure may hide a write that was done.
  undo.defer(async () => {
    if (!refused && !(await isInUse())) await journal.release(handle, { containerId, why: "failed ADD" });
  });
  try {
    return await node.ipam.assign(requestOf(handle, allocation, state), signal);
  } catch (error) {
    refused = error instanceof IpamError;
    throw error;
  }
}

/** The pod of a target, if it is one. */
export function podName({ pod }: Target): NamespacedName | undefined {
  return pod === undefined ? undefined : namespacedName(pod.namespace, pod.name);
}

// --- internal ---

function requestOf(
  handle: string,
  { target: { pod }, plan, namespaceLabels, isUnfit, mayBeNamedLater = false, onChosen }: Allocation,
  { node }: NodeState,
): AssignRequest {
  return {
    handle,
    v4: plan.v4,
    v6: plan.v6,
    addresses: plan.addresses,
    pools: plan.pools,
    mayBeNamedLater,
    attributes: {
      ...(pod === undefined ? {} : { pod: pod.name, namespace: pod.namespace }),
      ...nodeAttributes(node),
    },
    ...(namespaceLabels === undefined ? {} : { namespaceLabels }),
    ...(isUnfit === undefined ? {} : { isUnfit }),
    ...(onChosen === undefined ? {} : { onChosen }),
  };
}
