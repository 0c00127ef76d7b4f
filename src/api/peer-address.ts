import { type Ip, isIp, parseIp } from "../net/ip.ts";

/** Where a BGP neighbour listens. */
export interface PeerAddress {
  readonly ip: Ip;
  /** Undefined: none was given, and the neighbour's usual port counts. */
  readonly port: number | undefined;
}

/** Reads `ip`, `ipv4:port` or `[ipv6]:port`; undefined when `text` is none of them. */
export function parsePeerAddress(text: string): PeerAddress | undefined {
  if (isIp(text)) return { ip: parseIp(text), port: undefined };
  const [, bracketed, bare, portText] = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):([0-9]{1,5})$/.exec(text) ?? [];
  const address = bracketed ?? bare ?? "";
  const port = Number(portText);
  const isV6 = address.includes(":");
  if (!isIp(address) || isV6 !== (bracketed !== undefined) || !(port >= 1 && port <= 65535)) return undefined;
  return { ip: parseIp(address), port };
}
