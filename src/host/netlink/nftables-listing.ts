import { aligned, parseAttributes, textOf } from "./attribute.ts";
import type { NftBaseChain, NftChain, NftElement, NftRule, NftSet } from "./nftables.ts";
import {
  chainAttribute,
  counterAttribute,
  dataAttribute,
  elementAttribute,
  elementListAttribute,
  expressionAttribute,
  hookNumber,
  nftSetAttribute,
  ruleAttribute,
  setFlag,
  tableAttribute,
  tableFlagDormant,
  verdictCode,
  verdictType,
} from "./nftables-constants.ts";
import { keyBefore } from "./nftables-keys.ts";
import { setKeyOf } from "./nftables-set-type.ts";
import { decodeComment } from "./nftables-user-data.ts";

/** A table, of an NFT_MSG_NEWTABLE. */
export function decodeTable(payload: Buffer): { readonly name: string; readonly dormant: boolean } | undefined {
  const attributes = bodyOf(payload);
  const name = textOf(attributes, tableAttribute.name);
  const flags = attributes.get(tableAttribute.flags)?.readUInt32BE() ?? 0;
  return name === undefined ? undefined : { name, dormant: (flags & tableFlagDormant) !== 0 };
}

/** A chain of an NFT_MSG_NEWCHAIN; undefined when it is of another table: the kernel lists those of all. */
export function decodeChain(payload: Buffer, table: string): NftChain | undefined {
  const attributes = bodyOf(payload);
  const name = textOf(attributes, chainAttribute.name);
  if (name === undefined || textOf(attributes, chainAttribute.table) !== table) return undefined;
  const hook = attributes.get(chainAttribute.hook);
  if (hook === undefined) return { name };
  const of = parseAttributes(hook);
  const number = of.get(chainAttribute.hookNumber)?.readUInt32BE();
  const base = {
    type: textOf(attributes, chainAttribute.type) as NftBaseChain["type"],
    hook: hookNames.find((one) => hookNumber[one] === number) ?? "prerouting",
    priority: of.get(chainAttribute.hookPriority)?.readInt32BE() ?? 0,
  };
  const drops = attributes.get(chainAttribute.policy)?.readUInt32BE() === verdictCode.drop;
  return drops ? { name, base, drops } : { name, base };
}

/** A rule of an NFT_MSG_NEWRULE. */
export function decodeRule(payload: Buffer): NftRule | undefined {
  const attributes = bodyOf(payload);
  const chain = textOf(attributes, ruleAttribute.chain);
  const handle = attributes.get(ruleAttribute.handle)?.readBigUInt64BE();
  if (chain === undefined || handle === undefined) return undefined;
  const userData = attributes.get(ruleAttribute.userData);
  const comment = userData === undefined ? undefined : decodeComment(userData);
  const counter = firstCounter(attributes.get(ruleAttribute.expressions) ?? empty);
  return counter === undefined ? { chain, handle, comment } : { chain, handle, comment, counter };
}

/** A set of an NFT_MSG_NEWSET; undefined when it is anonymous. */
export function decodeSet(payload: Buffer): NftSet | undefined {
  const attributes = bodyOf(payload);
  const set = textOf(attributes, nftSetAttribute.name);
  const number = (type: number) => attributes.get(type)?.readUInt32BE() ?? 0;
  const flags = number(nftSetAttribute.flags);
  if (set === undefined || (flags & setFlag.anonymous) !== 0) return undefined;
  const isMap = (flags & setFlag.map) !== 0;
  const verdicts = isMap && number(nftSetAttribute.dataType) === verdictType;
  const strange = (flags & ~(setFlag.interval | setFlag.map)) !== 0 || isMap !== verdicts;
  const key = strange ? "other" : setKeyOf(number(nftSetAttribute.keyType));
  return { set, key, interval: (flags & setFlag.interval) !== 0, verdicts };
}

/** An element as the kernel has it, where a range is two: its first key, and as an end the one behind its last. */
export interface KernelElement {
  readonly key: Buffer;
  readonly isEnd: boolean;
  readonly goto?: string;
}

/** The elements of an NFT_MSG_NEWSETELEM. Written out since a set may hold 100,000 of them: a map of attributes each takes long. */
export function decodeElements(payload: Buffer): readonly KernelElement[] {
  const found: KernelElement[] = [];
  const list = Buffer.from(bodyOf(payload).get(elementListAttribute.elements) ?? empty);
  for (let offset = 0; offset + ATTRIBUTE_BYTES <= list.length; ) {
    const length = list.readUInt16LE(offset);
    const element = elementIn(list, offset + ATTRIBUTE_BYTES, offset + length);
    if (element !== undefined) found.push(element);
    offset += Math.max(ATTRIBUTE_BYTES, aligned(length));
  }
  return found;
}

/** The ranges of an interval set. A beginning without an end reaches to the last key of all. */
export function joinRanges(elements: readonly KernelElement[]): readonly NftElement[] {
  // Where one range begins right behind another, the end comes first.
  const sorted = elements.toSorted((a, b) => Buffer.compare(a.key, b.key) || Number(b.isEnd) - Number(a.isEnd));
  const ranges: NftElement[] = [];
  for (const [index, { key, isEnd }] of sorted.entries()) {
    if (isEnd) continue;
    const next = sorted[index + 1];
    ranges.push({ key, last: next === undefined ? Buffer.alloc(key.length, 0xff) : keyBefore(next.key) });
  }
  return ranges;
}

// --- internal ---

const ATTRIBUTE_BYTES = 4;
/** Without NLA_F_NESTED. */
const TYPE_MASK = 0x3fff;
const empty = Buffer.alloc(0);
const hookNames = Object.keys(hookNumber) as readonly (keyof typeof hookNumber)[];

/** Behind `struct nfgenmsg`. */
function bodyOf(payload: Buffer): ReturnType<typeof parseAttributes> {
  return parseAttributes(payload.subarray(4));
}

/** The values of a list, whose entries all have the same type. */
function* entriesOf(list: Buffer): Generator<Buffer> {
  for (let offset = 0; offset + 4 <= list.length; ) {
    const length = list.readUInt16LE(offset);
    if (length < 4) return;
    yield list.subarray(offset + 4, offset + length);
    offset += (length + 3) & ~3;
  }
}

function firstCounter(expressions: Buffer): NftRule["counter"] {
  for (const expression of entriesOf(expressions)) {
    const attributes = parseAttributes(expression);
    if (textOf(attributes, expressionAttribute.name) !== "counter") continue;
    const values = parseAttributes(attributes.get(expressionAttribute.data) ?? empty);
    const number = (type: number) => values.get(type)?.readBigUInt64BE() ?? 0n;
    return { packets: number(counterAttribute.packets), bytes: number(counterAttribute.bytes) };
  }
  return undefined;
}

/** Undefined for the one without a key, which stands for all others. */
function elementIn(list: Buffer, start: number, end: number): KernelElement | undefined {
  let key: Buffer | undefined;
  let isEnd = false;
  let goto: string | undefined;
  for (let offset = start; offset + ATTRIBUTE_BYTES <= end; ) {
    const length = list.readUInt16LE(offset);
    const value = offset + ATTRIBUTE_BYTES;
    const type = list.readUInt16LE(offset + 2) & TYPE_MASK;
    // The key is NFTA_DATA_VALUE inside.
    if (type === elementAttribute.key) key = list.subarray(value + ATTRIBUTE_BYTES, value + list.readUInt16LE(value));
    else if (type === elementAttribute.flags) isEnd = (list.readUInt32BE(value) & elementAttribute.intervalEnd) !== 0;
    else if (type === elementAttribute.data) goto = chainOf(list.subarray(value, offset + length));
    offset += Math.max(ATTRIBUTE_BYTES, aligned(length));
  }
  if (key === undefined) return undefined;
  return goto === undefined ? { key, isEnd } : { key, isEnd, goto };
}

function chainOf(data: Buffer): string | undefined {
  const verdict = parseAttributes(data).get(dataAttribute.verdict);
  return verdict === undefined ? undefined : textOf(parseAttributes(verdict), dataAttribute.verdictChain);
}
