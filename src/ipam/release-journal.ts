/**
 * What became free in a block and why, kept in an annotation of the block itself, so that it is written with the release
 * or not at all, and costs no request.
 */
import type { AllocationAttribute, IpamBlock } from "../api/ipam-block.ts";
import { type Ip, isIp } from "../net/ip.ts";

/** One address that was given back. */
export interface ReleaseRecord {
  readonly ip: Ip;
  /** Who held it; absent when the allocation did not say. */
  readonly handle?: string;
  /** `namespace/name`. */
  readonly pod?: string;
  readonly node?: string;
  readonly why: string;
  /** When, RFC 3339. */
  readonly at: string;
}

/** Where a block's journal is kept: a JSON list of `ReleaseRecord`, the newest last. */
export const releasedAnnotation = "ipam.margay.io/released";

/** The most that a journal may take, in bytes of UTF-8. */
export const maxJournalBytes = 16 * 1024;

/** What became free in the block, the newest last; nothing when the annotation is absent or cannot be read. */
export function releasesOf({ metadata: { annotations } }: IpamBlock): readonly ReleaseRecord[] {
  const known = parsed.get(annotations);
  if (known !== undefined) return known;
  const text = annotations[releasedAnnotation];
  const records = text === undefined ? [] : parseJson(text);
  const read = Array.isArray(records) && records.every(isRecord) ? records : [];
  parsed.set(annotations, read);
  return read;
}

/** The block with `records` behind those it has; the oldest go when the journal would be too long. */
export function withReleases(block: IpamBlock, records: readonly ReleaseRecord[]): IpamBlock {
  if (records.length === 0) return block;
  const { metadata } = block;
  const kept = newest([...releasesOf(block), ...records]);
  const text = `[${kept.map((record) => textOf(record).text).join(",")}]`;
  const annotations = { ...metadata.annotations, [releasedAnnotation]: text };
  parsed.set(annotations, kept);
  return { ...block, metadata: { ...metadata, annotations } };
}

/** The record of an address that `attribute` held until now. */
export function releaseRecord(
  ip: Ip,
  { handle_id, secondary }: AllocationAttribute,
  cause: Pick<ReleaseRecord, "why" | "at">,
): ReleaseRecord {
  const said = new Map(Object.entries(secondary ?? {}));
  const [namespace, pod, node] = ["namespace", "pod", "node"].map((name) => said.get(name));
  return {
    ip,
    ...(handle_id === undefined ? {} : { handle: clipped(handle_id) }),
    ...(pod === undefined ? {} : { pod: clipped(`${namespace ?? ""}/${pod}`) }),
    ...(node === undefined ? {} : { node: clipped(node) }),
    why: clipped(cause.why),
    at: cause.at,
  };
}

// --- internal ---

/** A namespace and a pod's name have 63 and 253 characters at most. One record can never fill a journal. */
const maxFieldLength = 320;

function clipped(text: string): string {
  // Half of a surrogate pair is no text that JSON could carry.
  return text.length <= maxFieldLength ? text : `${text.slice(0, maxFieldLength - 1).replace(/[\ud800-\udbff]$/, "")}…`;
}

/** As many of the last records as fit, with brackets and commas. */
function newest(records: readonly ReleaseRecord[]): readonly ReleaseRecord[] {
  let bytes = 1;
  let first = records.length;
  for (const record of records.toReversed()) {
    bytes += textOf(record).bytes + 1;
    if (bytes > maxJournalBytes) break;
    first--;
  }
  return records.slice(first);
}

// A journal grows by one record at a time, many times a second: each is read and written only once.
const parsed = new WeakMap<object, readonly ReleaseRecord[]>();
const texts = new WeakMap<ReleaseRecord, RecordText>();
const encoder = new TextEncoder();

interface RecordText {
  readonly text: string;
  readonly bytes: number;
}

function textOf(record: ReleaseRecord): RecordText {
  const known = texts.get(record);
  if (known !== undefined) return known;
  const text = JSON.stringify(record);
  const made = { text, bytes: encoder.encode(text).length };
  texts.set(record, made);
  return made;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is ReleaseRecord {
  if (typeof value !== "object" || value === null) return false;
  const { ip, handle, pod, node, why, at } = value as Readonly<Record<string, unknown>>;
  const optional = [handle, pod, node].every((one) => one === undefined || typeof one === "string");
  return typeof ip === "string" && isIp(ip) && typeof why === "string" && typeof at === "string" && optional;
}
