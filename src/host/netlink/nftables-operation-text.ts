import { ipFromBytes } from "../../net/ip.ts";
import { aligned, parseAttributes } from "./attribute.ts";
import type { NftOperation } from "./nftables.ts";
import { dataAttribute, elementAttribute } from "./nftables-constants.ts";
import { keyBefore } from "./nftables-keys.ts";

/**
 * What the operation was to do, for an error. When the kernel has told which attribute of message number `message` it is about,
 * and that is an element of a set, the element is named.
 */
export function describeOperation(
  operation: NftOperation,
  datagram: Buffer,
  message: number,
  attributeAt: number | undefined,
): string {
  const table = `table ${operation.version === 4 ? "ip" : "ip6"} ${operation.table}`;
  switch (operation.kind) {
    case "add-table":
    case "delete-table":
      return `${verbOf(operation.kind)} ${table}`;
    case "add-chain":
    case "flush-chain":
    case "delete-chain":
      return `${verbOf(operation.kind)} chain ${operation.chain} of ${table}`;
    case "add-rule":
      return `add rule ${JSON.stringify(operation.rule.comment)} to chain ${operation.chain} of ${table}`;
    case "delete-rule":
      return `delete rule ${operation.handle} of chain ${operation.chain} of ${table}`;
    case "add-set":
    case "delete-set":
    case "flush-set":
      return `${verbOf(operation.kind)} set ${operation.set} of ${table}`;
    case "add-elements":
    case "delete-elements": {
      const element = attributeAt === undefined ? undefined : elementAt(datagram, message, attributeAt);
      const what = element ?? `${operation.elements.length} elements`;
      return operation.kind === "add-elements"
        ? `add ${what} to set ${operation.set} of ${table}`
        : `delete ${what} from set ${operation.set} of ${table}`;
    }
  }
}

// --- internal ---

function verbOf(kind: string): string {
  return kind.slice(0, kind.indexOf("-"));
}

/** The key of the element whose attribute begins there; undefined when it is no element. */
function elementAt(datagram: Buffer, message: number, attributeAt: number): string | undefined {
  let start = 0;
  for (let index = 0; index < message; index++) start += aligned(datagram.readUInt32LE(start));
  const at = start + attributeAt;
  if (attributeAt < 20 || at + 4 > datagram.length) return undefined;
  const element = parseAttributes(datagram.subarray(at + 4, at + datagram.readUInt16LE(at)));
  const key = parseAttributes(element.get(elementAttribute.key) ?? Buffer.alloc(0)).get(dataAttribute.value);
  if (key === undefined) return undefined;
  const isEnd = element.get(elementAttribute.flags)?.readUInt32BE() === elementAttribute.intervalEnd;
  return isEnd ? `a range up to ${textOfKey(Buffer.from(keyBefore(key)))}` : `element ${textOfKey(key)}`;
}

function textOfKey(key: Buffer): string {
  if (key.length === 4) return ipFromBytes(key);
  if (key.length === 16) {
    const name = key.toString("latin1").replace(/\0+$/, "");
    return /^[!-~]+$/.test(name) ? name : ipFromBytes(key);
  }
  return key.toString("hex");
}
