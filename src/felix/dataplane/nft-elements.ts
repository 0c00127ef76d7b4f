/**
 * What is in a set or map of nf_tables, as texts of one character a byte, so that it can be looked up: the first and the last
 * address of a range; address, protocol and port; or the name of an interface and behind it the chain that it leads to.
 */
import type { NftElement, NftSet } from "../../host/netlink/nftables.ts";
import { type Ip, type IpVersion, ipToBytes, ipv4ToNumber, parseIp } from "../../net/ip.ts";
import { portProtocolNames } from "../../net/protocol-numbers.ts";
import type { IpSet, VerdictMap } from "../render/desired-state.ts";
import { addressRange, type NetKey, netKey } from "./nft-cover.ts";

/** A member of a `hash:net` set, which may be a bare address. Throws when it is none. */
export function keyOfNet(member: string): NetKey {
  const slash = member.indexOf("/");
  const address = addressBytes(slash < 0 ? member : member.slice(0, slash));
  const bits = address.length * 8;
  const length = slash < 0 ? bits : Number(member.slice(slash + 1));
  if (!(Number.isInteger(length) && length >= 0 && length <= bits)) {
    throw new Error(`Cannot put ${member} into a set: it is not a network`);
  }
  return netKey(address, length);
}

/** The range of a network. */
export function rangeText(key: NetKey, version: IpVersion): string {
  const { first, last } = addressRange(key, version === 4 ? 4 : 16);
  return first + last;
}

/** A member of a `hash:ip,port` set, e.g. `10.0.0.1,tcp:80`. Throws when it is none. */
export function portText(member: string): string {
  const [, ip, name, portText] = /^([^,]+),([^:]+):([0-9]+)$/.exec(member) ?? [];
  const protocol = portProtocols.get(name ?? "");
  if (ip === undefined || portText === undefined) throw new Error(`Cannot put ${member} into a set: it is not a port`);
  if (protocol === undefined) throw new Error(`Cannot put ${member} into a set: it cannot hold ports of ${name}`);
  const port = Number(portText);
  return `${addressBytes(ip)}${String.fromCharCode(protocol)}\0\0\0${String.fromCharCode(port >> 8, port & 0xff)}\0\0`;
}

/** One entry of a verdict map: `chain` as the kernel has it. */
export function targetText(interfaceName: string, chain: string): string {
  return interfaceName.padEnd(interfaceNameSize, "\0") + chain;
}

/** An element that was read. */
export function elementText({ key, last, goto }: NftElement, { interval }: NftSet): string {
  return latin1(key) + (interval ? latin1(last ?? key) : "") + (goto ?? "");
}

/** Inverse of `elementText`. */
export function elementOf(text: string, { interval, verdicts }: NftSet): NftElement {
  if (interval) {
    const half = text.length / 2;
    return { key: bytes(text.slice(0, half)), last: bytes(text.slice(half)) };
  }
  if (!verdicts) return { key: bytes(text) };
  return { key: bytes(text.slice(0, interfaceNameSize)), goto: text.slice(interfaceNameSize) };
}

/** The set as the kernel is told of it; `name` is the kernel's. */
export function setSpec(name: string, { type, version }: IpSet): NftSet {
  const address = `ipv${version}_addr` as const;
  if (type === "hash:net") return { set: name, key: address, interval: true, verdicts: false };
  return { set: name, key: `${address} . inet_proto . inet_service`, interval: false, verdicts: false };
}

/** As `setSpec`. */
export function mapSpec(name: string): NftSet {
  return { set: name, key: "ifname", interval: false, verdicts: true };
}

/** The entries of a map; `chainOf` says what the kernel calls a chain. */
export function mapTexts({ targets }: VerdictMap, chainOf: (chain: string) => string): ReadonlySet<string> {
  return new Set([...targets].map(([name, chain]) => targetText(name, chainOf(chain))));
}

// --- internal ---

/** IFNAMSIZ. */
const interfaceNameSize = 16;

const portProtocols: ReadonlyMap<string, number> = new Map(
  [...portProtocolNames].map(([number, name]) => [name, number]),
);

function addressBytes(text: string): string {
  if (text.includes(":")) return latin1(ipToBytes(parseIp(text)));
  // Most members are these, and rendering has written them in canonical form.
  const value = ipv4ToNumber(text as Ip);
  return String.fromCharCode(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
}

function latin1(data: Uint8Array): string {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("latin1");
}

function bytes(text: string): Uint8Array {
  return Buffer.from(text, "latin1");
}
