import { attachmentKey } from "../api/objects.ts";
import { unusableNetworks } from "../api/unusable-networks.ts";
import { cidrContainsIp } from "../net/cidr.ts";
import type { Ip } from "../net/ip.ts";
import { messageOf } from "../net/message-of.ts";
import type { AddressPlan } from "./address-request.ts";
import type { ExecutedIpam } from "./attachments.ts";
import { CniError, cniCode } from "./cni-error.ts";
import { type CniResult, parseCniResult, resultAddress } from "./cni-result.ts";
import type { NetConf } from "./net-conf.ts";
import { handleOf, type NodeState } from "./node-state.ts";
import { podCidrOf, withPodCidrs } from "./pod-cidr.ts";
import type { PodTarget, RawRequest } from "./request.ts";
import { AbsentIpamError, executeIpam, type IpamCall, releaseCall } from "./run-ipam.ts";
import { withdraw } from "./withdraw.ts";

/** An interface whose addresses another IPAM plugin gives. */
export interface ExecutedRequest {
  readonly conf: NetConf;
  /** As it came. */
  readonly raw: RawRequest;
}

/** The addresses of one interface. */
export interface GivenAddresses {
  readonly addresses: readonly Ip[];
  /** Who gave them, when that was another IPAM plugin. */
  readonly ipam?: ExecutedIpam;
}

/**
 * Has the configuration's IPAM plugin give addresses; `undo` has it take back what an ADD of it gave, whatever that came to.
 * Rejects as `executeIpam`, or with a `CniError` when its answer is none or names an address that no pod can have (104), or
 * when the node has no network for pods and the configuration wants it (11).
 */
export async function executedAddresses(
  { conf, raw }: ExecutedRequest,
  { node }: NodeState,
  { undo, signal }: { readonly undo: AsyncDisposableStack; readonly signal: AbortSignal },
): Promise<Required<GivenAddresses>> {
  const { type } = conf.ipam;
  const call = ipamCall(type, raw, node);
  let isAbsent = false;
  undo.defer(async () => {
    if (!isAbsent) await executeIpam("DEL", call, node);
  });
  try {
    const result = resultOf(type, await executeIpam("ADD", call, node, signal));
    const remembered = { type, environment: Object.fromEntries(raw.environment), conf: withoutResult(call.conf) };
    return {
      addresses: addressesOf(type, result),
      ipam: { ...remembered, ips: result.ips, routes: result.routes, dns: result.dns },
    };
  } catch (error) {
    isAbsent = error instanceof AbsentIpamError;
    throw error;
  }
}

/** The plugin with the configuration as it is to see it. Throws as `podCidrOf`. */
export function ipamCall(type: string, raw: RawRequest, node: NodeState["node"]): IpamCall {
  const conf = withPodCidrs(raw.stdin, (version) => podCidrOf(node, version));
  return { type, environment: raw.environment, conf };
}

/**
 * Before an interface gets addresses anew: takes back what an earlier ADD of the very same one got, when that was given by
 * another IPAM plugin, or another is to give now. A plugin gives no interface addresses twice.
 */
export async function releaseEarlier(
  { target }: { readonly target: PodTarget },
  by: AddressPlan["by"],
  state: NodeState,
): Promise<void> {
  const { node, journal } = state;
  const key = attachmentKey(target);
  const earlier = await node.attachments.get(key);
  if (earlier === undefined || (earlier.ipam === undefined && by !== "executed")) return;
  await withdraw(key, state);
  const call = releaseCall(earlier, undefined, node);
  if (call !== undefined) await executeIpam("DEL", call, node);
  else await journal.release(handleOf(earlier.network, target.containerId), { ...target, why: "failed ADD" });
}

// --- internal ---

function resultOf(type: string, text: string): CniResult {
  try {
    return parseCniResult(JSON.parse(text), `the answer of IPAM plugin ${type}`);
  } catch (cause) {
    const why =
      cause instanceof CniError ? cause.message : `Cannot use the answer of IPAM plugin ${type}: it is not JSON`;
    throw new CniError(cniCode.ipamFailed, why, { details: messageOf(cause), cause });
  }
}

function addressesOf(type: string, result: CniResult): readonly Ip[] {
  const addresses = [...new Set(result.ips.map(resultAddress))];
  if (addresses.length === 0)
    throw new CniError(cniCode.ipamFailed, `Cannot wire the pod: IPAM plugin ${type} gave no address`);
  for (const ip of addresses) {
    const range = unusableNetworks.find((cidr) => cidrContainsIp(cidr, ip));
    if (range === undefined) continue;
    throw new CniError(
      cniCode.ipamFailed,
      `Cannot give the pod the address ${ip} of IPAM plugin ${type}: it is of ${range}`,
    );
  }
  return addresses;
}

/** What earlier plugins made may be long, and no IPAM plugin needs it to take addresses back. */
function withoutResult(conf: string): string {
  const { prevResult, ...rest } = JSON.parse(conf) as Readonly<Record<string, unknown>>;
  return prevResult === undefined ? conf : JSON.stringify(rest);
}
