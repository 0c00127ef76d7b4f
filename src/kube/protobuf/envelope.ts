import { PbfReader } from "pbf";
import { metadataMessage, statusMessage } from "./core-messages.ts";
import { type Message, orProtobufError, ProtobufError, readMessage } from "./message.ts";

/** The media type of Kubernetes' protobuf encoding; a watch has it with `;stream=watch`. */
export const protobufType = "application/vnd.kubernetes.protobuf";

/**
 * The object in an answer: four bytes of magic, then a runtime.Unknown with the object's message in it. A metav1.Status is read
 * as one, whatever was asked for; it has `kind`. Throws a `ProtobufError`.
 */
export function readEnvelope(bytes: Buffer, message: Message): object {
  const { kind, raw } = orProtobufError(() => openEnvelope(bytes));
  return kind === "Status" ? { kind, ...readMessage(raw, statusMessage) } : readMessage(raw, message);
}

/** metav1.WatchEvent. */
export interface WatchFrame {
  readonly type: string;
  readonly object: object;
}

/** The event that one frame of a watch is. Throws a `ProtobufError`. */
export function readWatchFrame(frame: Buffer, message: Message): WatchFrame {
  const { type, object } = orProtobufError(() => openFrame(frame));
  // A bookmark has metadata alone, whatever kind it is of.
  return { type, object: readEnvelope(object, type === "BOOKMARK" ? metadataMessage : message) };
}

/**
 * The frames of a stream that arrives in pieces, those that each piece ends together. A frame is as long as four bytes before it say,
 * big endian. Throws a `ProtobufError`.
 */
export async function* framesOf(pieces: AsyncIterable<Buffer>): AsyncGenerator<readonly Buffer[]> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const piece of pieces) {
    rest = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
    const frames: Buffer[] = [];
    let start = 0;
    for (let end = endOfFrame(rest, start); end <= rest.length; end = endOfFrame(rest, start)) {
      frames.push(rest.subarray(start + lengthBytes, end));
      start = end;
    }
    rest = rest.subarray(start);
    if (frames.length > 0) yield frames;
  }
  if (rest.length > 0) throw new ProtobufError("the stream ended within a frame");
}

// --- internal ---

const magic = Buffer.from("k8s\0");
const lengthBytes = 4;
/** No object is so large: etcd takes 1.5 MB. */
const maxFrameBytes = 64 * 2 ** 20;

function openFrame(frame: Buffer): { readonly type: string; readonly object: Buffer } {
  const reader = new PbfReader(frame);
  let type = "";
  let object: Buffer | undefined;
  for (let number = reader.nextField(); number !== 0; number = reader.nextField()) {
    if (number === 1) type = reader.readString();
    else if (number === 2) object = bytesIn(reader.readBytes(), 1);
  }
  if (reader.pos !== frame.length || object === undefined) throw new ProtobufError("it is no watch event");
  return { type, object };
}

function openEnvelope(bytes: Buffer): { readonly kind: string; readonly raw: Buffer } {
  if (!bytes.subarray(0, magic.length).equals(magic)) throw new ProtobufError("it does not begin as an object");
  const reader = new PbfReader(bytes.subarray(magic.length));
  let kind = "";
  let raw: Buffer | undefined;
  for (let number = reader.nextField(); number !== 0; number = reader.nextField()) {
    if (number === 1) kind = bytesIn(reader.readBytes(), 2)?.toString("utf8") ?? "";
    else if (number === 2) raw = bufferOf(reader.readBytes());
  }
  if (reader.pos !== reader.length || raw === undefined) throw new ProtobufError("the object is cut off");
  return { kind, raw };
}

/** The field of this number, which is length-delimited. */
function bytesIn(message: Uint8Array, wanted: number): Buffer | undefined {
  const reader = new PbfReader(message);
  let found: Buffer | undefined;
  for (let number = reader.nextField(); number !== 0; number = reader.nextField()) {
    if (number === wanted) found = bufferOf(reader.readBytes());
  }
  if (reader.pos !== message.length) throw new ProtobufError("a field goes beyond the end of its message");
  return found;
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Beyond the end of what is there, unless the frame is there as a whole. */
function endOfFrame(bytes: Buffer, start: number): number {
  if (bytes.length - start < lengthBytes) return Number.POSITIVE_INFINITY;
  const length = bytes.readUInt32BE(start);
  if (length > maxFrameBytes) throw new ProtobufError(`a frame of ${length} bytes`);
  return start + lengthBytes + length;
}
