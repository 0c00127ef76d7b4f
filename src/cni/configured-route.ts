import { type Cidr, parseCidr } from "../net/cidr.ts";
import { type Ip, parseIp } from "../net/ip.ts";
import { messageOf } from "../net/message-of.ts";
import { CniError, cniCode } from "./cni-error.ts";

/** A route of `ipam.routes`. Throws a `CniError` (7) when it cannot be read. */
export function configuredRoute(
  dst: string,
  gw: string | undefined,
): { readonly destination: Cidr; readonly gateway: Ip | undefined } {
  try {
    return { destination: parseCidr(dst), gateway: gw === undefined ? undefined : parseIp(gw) };
  } catch (cause) {
    const why = messageOf(cause);
    throw new CniError(cniCode.invalidConfiguration, `Cannot use the network configuration: ipam.routes: ${why}`, {
      cause,
    });
  }
}
