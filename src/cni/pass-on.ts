import { attachmentKey } from "../api/objects.ts";
import { versionOf } from "../net/ip.ts";
import type { ExecutedIpam } from "./attachments.ts";
import { CniError, cniCode } from "./cni-error.ts";
import { parseCniResult, present, resultAddress } from "./cni-result.ts";
import { ipamCall } from "./executed-addresses.ts";
import { ownIpam } from "./ipam-type.ts";
import type { NetConf } from "./net-conf.ts";
import type { NodeState } from "./node-state.ts";
import type { PodTarget, RawRequest } from "./request.ts";
import { AbsentIpamError, executeIpam, lenientCall, speaksVersion } from "./run-ipam.ts";

/** A configuration with the call that it came by. */
interface PassedRequest {
  readonly conf: NetConf;
  readonly raw: RawRequest;
}

/** Has the IPAM plugin that gave an interface its addresses confirm them, if that was another one. Rejects as `executeIpam`. */
export async function passOnCheck(
  { conf, raw, target }: PassedRequest & { readonly target: PodTarget },
  { node }: NodeState,
): Promise<void> {
  const stored = await node.attachments.get(attachmentKey(target));
  if (stored?.ipam === undefined) return;
  const { type } = stored.ipam;
  const call = ipamCall(type, raw, node);
  if (type === conf.ipam.type)
    await executeIpam("CHECK", { ...call, conf: withGateways(call.conf, stored.ipam) }, node);
  else {
    const sentence = `Cannot confirm the addresses of ${target.interfaceName} of container ${target.containerId}: IPAM plugin ${type} gave them, and the configuration is of ${conf.ipam.type} now`;
    throw new CniError(cniCode.checkFailed, sentence);
  }
}

/**
 * Asks another IPAM plugin whether it can give addresses. Rejects with a `CniError`: 50 when it is not there or does not speak
 * the configuration's version, so that ADD would fail, else as `executeIpam`.
 */
export async function passOnStatus({ conf, raw }: PassedRequest, { node }: NodeState): Promise<void> {
  const { type } = conf.ipam;
  if (type === ownIpam) return;
  const call = ipamCall(type, raw, node);
  try {
    if (await speaksVersion(call, conf.cniVersion, node)) {
      await executeIpam("STATUS", call, node);
      return;
    }
  } catch (cause) {
    if (!(cause instanceof AbsentIpamError)) throw cause;
    throw new CniError(cniCode.unavailable, cause.message, { cause });
  }
  const sentence = `Cannot add pods with IPAM plugin ${type}: it does not speak version ${conf.cniVersion} of the specification`;
  throw new CniError(cniCode.unavailable, sentence);
}

/** Has another IPAM plugin collect its garbage, if it knows how to. Rejects as `executeIpam`. */
export async function passOnGc({ conf, raw }: PassedRequest, { node }: NodeState): Promise<void> {
  const { type } = conf.ipam;
  if (type === ownIpam) return;
  const call = lenientCall(type, raw, node);
  if (await speaksVersion(call, conf.cniVersion, node)) await executeIpam("GC", call, node);
}

// --- internal ---

/** A pod's addresses are announced without gateways, and some plugins look for those that they gave themselves. */
function withGateways(conf: string, { ips }: ExecutedIpam): string {
  const json = JSON.parse(conf) as Readonly<Record<string, unknown>>;
  const result = parseCniResult(json["prevResult"], "prevResult");
  const gateways = new Map(ips.map((one) => [resultAddress(one), one.gateway]));
  const announced = json["prevResult"] as Readonly<Record<string, unknown>>;
  const filled = result.ips.map((one) => ({ ...present({ gateway: gateways.get(resultAddress(one)) }), ...one }));
  const named = filled.map((one) => ({ version: String(versionOf(resultAddress(one))), ...one }));
  return JSON.stringify({ ...json, prevResult: { ...announced, ips: named } });
}
