/** An IPv4 or IPv6 address in canonical text: dotted decimal, or RFC 5952 lower case. Equal addresses are equal strings. */
export type Ip = string & { readonly __brand: "Ip" };
/** The two families of addresses. */
export type IpVersion = 4 | 6;

/** The address of `text` in canonical form. Throws a sentence that quotes `text` when it is not an address. */
export function parseIp(text: string): Ip {
  const value = text.includes(":") ? parseIpv6(text) : parseIpv4(text);
  if (value === undefined) throw new Error(`Cannot read ${JSON.stringify(text)} as an IP address`);
  return ipFromNumber(value, text.includes(":") ? 6 : 4);
}

/** True when `parseIp` can read the text; it need not be in canonical form. */
export function isIp(text: string): text is Ip {
  const value = text.includes(":") ? parseIpv6(text) : parseIpv4(text);
  return value !== undefined;
}

/** The family of an address or network, given as text that is known to be one. */
export function versionOf(ip: string): IpVersion {
  return ip.includes(":") ? 6 : 4;
}

/** Bits in an address of this version: 32 or 128. */
export function bitsOf(version: IpVersion): 32 | 128 {
  return version === 4 ? 32 : 128;
}

/** The address as an unsigned number in network order. */
export function ipToNumber(ip: Ip): bigint {
  const value = versionOf(ip) === 4 ? parseIpv4(ip) : parseIpv6(ip);
  if (value === undefined) throw new Error(`Cannot read ${JSON.stringify(ip)} as an IP address`);
  return value;
}

/** The same of an IPv4 address, as a plain number: several times as quick. */
export function ipv4ToNumber(ip: Ip): number {
  let value = 0;
  let byte = 0;
  for (let index = 0; index < ip.length; index++) {
    const code = ip.charCodeAt(index);
    if (code === 46) {
      value = value * 256 + byte;
      byte = 0;
    } else byte = byte * 10 + code - 48;
  }
  return value * 256 + byte;
}

/** Inverse of `ipToNumber`. Throws when the number does not fit the version. */
export function ipFromNumber(value: bigint, version: IpVersion): Ip {
  if (value < 0n || value >> BigInt(bitsOf(version)) !== 0n) {
    throw new Error(`Cannot make an IPv${version} address of ${value}: out of range`);
  }
  return (version === 4 ? formatIpv4(value) : formatIpv6(value)) as Ip;
}

/** `ip` moved by `offset` addresses. Throws when that leaves the address space. */
export function ipPlus(ip: Ip, offset: number | bigint): Ip {
  return ipFromNumber(ipToNumber(ip) + BigInt(offset), versionOf(ip));
}

/** Network-order bytes: 4 or 16. */
export function ipToBytes(ip: Ip): Uint8Array {
  const version = versionOf(ip);
  const bytes = new Uint8Array(bitsOf(version) / 8);
  let value = ipToNumber(ip);
  for (let index = bytes.length - 1; index >= 0; index--) {
    bytes[index] = Number(value & 0xffn);
    value >>= 8n;
  }
  return bytes;
}

/** Inverse of `ipToBytes`; `bytes` has length 4 or 16. */
export function ipFromBytes(bytes: Uint8Array): Ip {
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return ipFromNumber(value, bytes.length === 4 ? 4 : 6);
}

/** Orders IPv4 before IPv6, then by number. */
export function compareIps(a: Ip, b: Ip): number {
  const byVersion = versionOf(a) - versionOf(b);
  if (byVersion !== 0) return byVersion;
  const [left, right] = [ipToNumber(a), ipToNumber(b)];
  return left < right ? -1 : left > right ? 1 : 0;
}

// --- internal ---

function parseIpv4(text: string): bigint | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  let value = 0;
  for (const part of parts) {
    // A leading zero is refused: some readers take it as octal (RFC 6943 section 3.1.1).
    if (!/^(0|[1-9][0-9]{0,2})$/.test(part)) return undefined;
    const byte = Number(part);
    if (byte > 255) return undefined;
    value = value * 256 + byte;
  }
  return BigInt(value);
}

function parseIpv6(text: string): bigint | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0] ?? "");
  const tail = halves.length === 2 ? parseGroups(halves[1] ?? "") : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  let value = 0n;
  for (const group of [...head, ...new Array<number>(missing).fill(0), ...tail]) value = (value << 16n) | BigInt(group);
  return value;
}

function parseGroups(text: string): number[] | undefined {
  if (text === "") return [];
  const groups: number[] = [];
  const parts = text.split(":");
  for (const [index, part] of parts.entries()) {
    if (part.includes(".") && index === parts.length - 1) {
      const embedded = parseIpv4(part);
      if (embedded === undefined) return undefined;
      groups.push(Number(embedded >> 16n), Number(embedded & 0xffffn));
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      groups.push(Number.parseInt(part, 16));
    } else {
      return undefined;
    }
  }
  return groups;
}

function formatIpv4(value: bigint): string {
  const number = Number(value);
  return [number >>> 24, (number >>> 16) & 255, (number >>> 8) & 255, number & 255].join(".");
}

function formatIpv6(value: bigint): string {
  const groups: number[] = [];
  for (let shift = 112n; shift >= 0n; shift -= 16n) groups.push(Number((value >> shift) & 0xffffn));
  const run = longestZeroRun(groups);
  const text = (part: readonly number[]) => part.map((group) => group.toString(16)).join(":");
  if (run.length < 2) return text(groups);
  return `${text(groups.slice(0, run.start))}::${text(groups.slice(run.start + run.length))}`;
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (const [index, group] of groups.entries()) {
    if (group !== 0) start = index + 1;
    else if (index + 1 - start > best.length) best = { start, length: index + 1 - start };
  }
  return best;
}
