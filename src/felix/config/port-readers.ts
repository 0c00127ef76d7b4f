import { type Cidr, parseCidr } from "../../net/cidr.ts";
import type { FailsafePort, PortRange } from "./felix-settings.ts";
import { listOf, optional, type Reader, within } from "./readers.ts";

/** `80`, or `80:90`. */
export const portRange: Reader<PortRange | undefined> = optional({ text: rangeOf });

/** `tcp:10.0.0.0/8:22`, `udp:[2001:db8::/32]:53`, `udp:53` or `22` with commas, or a list of objects. */
export const failsafePorts: Reader<readonly FailsafePort[]> = {
  text: (text) => listOf(text).map(failsafeOf),
  value: (value) =>
    (value as readonly { protocol?: string; port: number; net?: string }[]).map(({ protocol, port, net }) =>
      failsafe(protocol || "tcp", port, net),
    ),
  none: { value: [] },
};

// --- internal ---

function rangeOf(text: string): PortRange {
  const [, first, , last = first] = /^([0-9]+)(:([0-9]+))?$/.exec(text) ?? [];
  if (first === undefined || Number(first) > Number(last))
    throw new Error("it must be a port, or a range such as 80:90");
  return { first: portOf(first), last: portOf(last ?? first) };
}

function failsafeOf(text: string): FailsafePort {
  const [, protocol = "tcp", bracketed, bare, port = ""] =
    /^(?:([a-z]+):)?(?:\[([^\]]*)\]:|([0-9./]+):)?([0-9]+)$/i.exec(text) ?? [];
  if (port === "") throw new Error("each must be such as 22, udp:53, tcp:10.0.0.0/8:22 or tcp:[2001:db8::/32]:22");
  return failsafe(protocol, portOf(port), bracketed ?? bare);
}

function failsafe(protocol: string, port: number, net: string | undefined): FailsafePort {
  const lower = protocol.toLowerCase();
  if (lower !== "tcp" && lower !== "udp" && lower !== "sctp") throw new Error("the protocol must be tcp, udp or sctp");
  return { protocol: lower, port, ...(net ? { net: netOf(net) } : {}) };
}

function portOf(text: string): number {
  return within(Number(text), 0, 65_535);
}

function netOf(text: string): Cidr {
  try {
    return parseCidr(text);
  } catch {
    throw new Error(`${JSON.stringify(text)} must be a network or an address`);
  }
}
