import { errnoName } from "../errno.ts";
import { type Attributes, aligned, parseAttributes, textOf, uint32Of } from "./attribute.ts";
import { messageFlag, messageType } from "./constants.ts";

/** One netlink message (`struct nlmsghdr` and what follows). `payload` of a decoded one is a view of the datagram. */
export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly payload: Buffer;
}

/** Why the kernel refused: an errno name and, when it says so, a sentence (extended acknowledgement). */
export interface Refusal {
  readonly code: string;
  readonly detail: string | undefined;
  /** Where the attribute that it is about begins, in bytes from the beginning of the refused message; when it says so. */
  readonly attributeAt?: number;
}

/** The message as its header says it, padded to what netlink aligns to. */
export function encodeMessage(message: Message): Buffer {
  const length = HEADER_BYTES + message.payload.length;
  const buffer = Buffer.alloc(aligned(length));
  buffer.writeUInt32LE(length, 0);
  buffer.writeUInt16LE(message.type, 4);
  buffer.writeUInt16LE(message.flags, 6);
  buffer.writeUInt32LE(message.sequence, 8);
  buffer.set(message.payload, HEADER_BYTES);
  return buffer;
}

/** The messages of one datagram, in order. Throws when one says that it is longer than what there is. */
export function decodeMessages(datagram: Buffer): readonly Message[] {
  const messages: Message[] = [];
  let offset = 0;
  while (offset + HEADER_BYTES <= datagram.length) {
    const length = datagram.readUInt32LE(offset);
    if (length < HEADER_BYTES || offset + length > datagram.length) {
      throw new Error(`Cannot read a netlink message of ${length} bytes at ${offset} of ${datagram.length}`);
    }
    messages.push({
      type: datagram.readUInt16LE(offset + 4),
      flags: datagram.readUInt16LE(offset + 6),
      sequence: datagram.readUInt32LE(offset + 8),
      payload: datagram.subarray(offset + HEADER_BYTES, offset + length),
    });
    offset += aligned(length);
  }
  return messages;
}

/** What an NLMSG_ERROR or NLMSG_DONE says; undefined when it is an acknowledgement. */
export function refusalOf(message: Message): Refusal | undefined {
  const errno = message.payload.length < 4 ? 0 : -message.payload.readInt32LE();
  if (errno === 0) return undefined;
  const attributes = answerAttributes(message);
  const attributeAt = uint32Of(attributes, ATTRIBUTE_AT);
  const refusal = { code: errnoName(errno), detail: textOf(attributes, SENTENCE) };
  return attributeAt === undefined ? refusal : { ...refusal, attributeAt };
}

// --- internal ---

const HEADER_BYTES = 16;
const ERROR_BYTES = 4;
/** NLMSGERR_ATTR_MSG and NLMSGERR_ATTR_OFFS. */
const SENTENCE = 1;
const ATTRIBUTE_AT = 2;

function answerAttributes({ type, flags, payload }: Message): Attributes {
  if ((flags & messageFlag.ackAttributes) === 0) return new Map();
  return parseAttributes(payload.subarray(ERROR_BYTES + (type === messageType.done ? 0 : echoedBytes(flags, payload))));
}

/** An NLMSG_ERROR repeats the request, or when capped only its header. */
function echoedBytes(flags: number, payload: Buffer): number {
  return (flags & messageFlag.capped) === 0 ? aligned(payload.readUInt32LE(ERROR_BYTES)) : HEADER_BYTES;
}
