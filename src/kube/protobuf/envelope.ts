import { loose, metadataMessage, one, statusMessage } from "./core-messages.ts";
import { type Message, ProtobufError, readMessage } from "./message.ts";

/** The media type of Kubernetes' protobuf encoding; a watch has it with `;stream=watch`. */
export const protobufType = "application/vnd.kubernetes.protobuf";

/**
 * The object in an answer: four bytes of magic, then a runtime.Unknown with the object's message in it. A metav1.Status is read
 * as one, whatever was asked for; it has `kind`. Throws a `ProtobufError`.
 */
export function readEnvelope(bytes: Buffer, message: Message): object {
  if (!bytes.subarray(0, magic.length).equals(magic)) throw new ProtobufError("it does not begin as an object");
  const { typeMeta, raw } = readMessage<Envelope>(bytes.subarray(magic.length), unknown);
  if (raw === undefined) throw new ProtobufError("there is no object in it");
  const kind = typeMeta?.kind;
  return kind === "Status" ? { kind, ...readMessage(raw, statusMessage) } : readMessage(raw, message);
}

/** metav1.WatchEvent. */
export interface WatchFrame {
  readonly type: string;
  readonly object: object;
}

/** The event that one frame of a watch is. Throws a `ProtobufError`. */
export function readWatchFrame(frame: Buffer, message: Message): WatchFrame {
  const { type, object } = readMessage<EventEnvelope>(frame, watchEvent);
  if (type === undefined || object?.raw === undefined) throw new ProtobufError("it is no watch event");
  // A bookmark has metadata alone, whatever kind it is of.
  return { type, object: readEnvelope(object.raw, type === "BOOKMARK" ? metadataMessage : message) };
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

interface Envelope {
  readonly typeMeta?: { readonly kind?: string };
  readonly raw?: Buffer;
}

/** runtime.Unknown. */
const unknown = loose({ 1: one("typeMeta", loose({ 2: one("kind", "text") })), 2: one("raw", "bytes") });

interface EventEnvelope {
  readonly type?: string;
  readonly object?: { readonly raw?: Buffer };
}

/** metav1.WatchEvent, whose object is a runtime.RawExtension. */
const watchEvent = loose({ 1: one("type", "text"), 2: one("object", loose({ 1: one("raw", "bytes") })) });

/** Beyond the end of what is there, unless the frame is there as a whole. */
function endOfFrame(bytes: Buffer, start: number): number {
  if (bytes.length - start < lengthBytes) return Number.POSITIVE_INFINITY;
  const length = bytes.readUInt32BE(start);
  if (length > maxFrameBytes) throw new ProtobufError(`a frame of ${length} bytes`);
  return start + lengthBytes + length;
}
