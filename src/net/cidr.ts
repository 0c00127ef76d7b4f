import { bitsOf, type Ip, type IpVersion, ipFromNumber, ipToNumber, ipv4ToNumber, parseIp, versionOf } from "./ip.ts";

/** A network in canonical text, `address/length`, host bits zero. Equal networks are equal strings. */
export type Cidr = string & { readonly __brand: "Cidr" };

/**
 * The network of `text`, host bits cleared; a bare address is its /32 or /128.
 * Throws a sentence that quotes `text` when it is not one.
 */
export function parseCidr(text: string): Cidr {
  const slash = text.indexOf("/");
  const address = parseIp(slash < 0 ? text : text.slice(0, slash));
  const bits = bitsOf(versionOf(address));
  const lengthText = slash < 0 ? String(bits) : text.slice(slash + 1);
  const length = /^(0|[1-9][0-9]{0,2})$/.test(lengthText) ? Number(lengthText) : Number.NaN;
  if (!(length <= bits)) {
    throw new Error(`Cannot read ${JSON.stringify(text)} as a CIDR: the prefix length must be 0 to ${bits}`);
  }
  return networkOf(address, length);
}

/** The network of `length` bits that `ip` lies in. */
export function networkOf(ip: Ip, length: number): Cidr {
  const version = versionOf(ip);
  const hostBits = BigInt(bitsOf(version) - length);
  return `${ipFromNumber((ipToNumber(ip) >> hostBits) << hostBits, version)}/${length}` as Cidr;
}

/** True when `text` is a network written in its canonical form. */
export function isCanonicalCidr(text: string): text is Cidr {
  try {
    return parseCidr(text) === text;
  } catch {
    return false;
  }
}

/** The /32 or /128 of one address. */
export function hostCidr(ip: Ip): Cidr {
  return `${ip}/${bitsOf(versionOf(ip))}` as Cidr;
}

/** The address that the network is named by: the lowest one in it. */
export function firstIp(cidr: Cidr): Ip {
  return cidr.slice(0, cidr.indexOf("/")) as Ip;
}

/** How many leading bits all its addresses share: 0 to 32 or 128. */
export function prefixLength(cidr: Cidr): number {
  return Number(cidr.slice(cidr.indexOf("/") + 1));
}

/** The family of its addresses. */
export function cidrVersion(cidr: Cidr): IpVersion {
  return versionOf(cidr);
}

/** How many addresses the network holds. */
export function cidrSize(cidr: Cidr): bigint {
  return 1n << BigInt(bitsOf(cidrVersion(cidr)) - prefixLength(cidr));
}

/** True when the address lies in the network; never across families. */
export function cidrContainsIp(cidr: Cidr, ip: Ip): boolean {
  if (versionOf(ip) !== cidrVersion(cidr)) return false;
  if (versionOf(ip) === 6) return networkOf(ip, prefixLength(cidr)) === cidr;
  const size = 2 ** (32 - prefixLength(cidr));
  return Math.floor(ipv4ToNumber(ip) / size) * size === ipv4ToNumber(firstIp(cidr));
}

/** True when every address of `inner` is in `outer`; a network contains itself. */
export function cidrContains(outer: Cidr, inner: Cidr): boolean {
  return prefixLength(inner) >= prefixLength(outer) && cidrContainsIp(outer, firstIp(inner));
}

/** True when some address lies in both: then one of them contains the other. */
export function cidrsOverlap(a: Cidr, b: Cidr): boolean {
  return cidrContains(a, b) || cidrContains(b, a);
}
