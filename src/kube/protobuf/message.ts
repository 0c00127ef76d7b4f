import { PbfReader } from "pbf";
import { messageOf } from "../../net/message-of.ts";

/** Which fields of a message are read, by number, and whether it may have others. */
export interface Message {
  readonly fields: Readonly<Record<number, Field>>;
  /** A field that is not named shows in what is read as `protobuf field N`, so that a strict schema refuses it. */
  readonly strict: boolean;
}

/** One field: its name in JSON and what it is. */
export interface Field {
  readonly name: string;
  readonly repeated: boolean;
  readonly type: FieldType;
}

/**
 * - `text`: a string. Empty is as absent, as Kubernetes writes JSON, except in a list.
 * - `number`: an int32 or int64 within what a double can hold.
 * - `count`: one that is as absent when it is 0.
 * - `flag`: a bool, absent when it is false.
 * - `texts`: a `map<string, string>`.
 * - `time`: metav1.Time or MicroTime, which JSON has as RFC 3339.
 * - `intOrString`: a number or a text.
 */
export type FieldType = "text" | "number" | "count" | "flag" | "texts" | "time" | "intOrString" | Message;

/** Bytes that are no such message: cut off, or of another kind. */
export class ProtobufError extends Error {
  constructor(what: string, options?: ErrorOptions) {
    super(`Cannot read protobuf: ${what}`, options);
    this.name = "ProtobufError";
  }
}

/**
 * What the JSON of a Kubernetes object would be (protobuf encoding, proto2, as k8s.io/api's `generated.proto` files have it), with
 * the fields that `message` names and no others. Throws a `ProtobufError`.
 */
export function readMessage(bytes: Buffer, message: Message): object {
  return orProtobufError(() => new MessageReader(bytes).message(message, bytes.length));
}

/** What `read` gives. Throws a `ProtobufError` for whatever it throws. */
export function orProtobufError<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof ProtobufError ? error : new ProtobufError(messageOf(error), { cause: error });
  }
}

// --- internal ---

/** Wire types (Protocol Buffers, "Encoding"). */
const varint = 0;
const lengthDelimited = 2;

const nanosInMicro = 1_000;

class MessageReader {
  readonly #bytes: Buffer;
  readonly #reader: PbfReader;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.#reader = new PbfReader(bytes);
  }

  message({ fields, strict }: Message, end: number): object {
    const object: Record<string, unknown> = {};
    this.#each(end, (number) => {
      const field = fields[number];
      if (field !== undefined) this.#put(object, field);
      else if (strict) object[`protobuf field ${number}`] = true;
    });
    return object;
  }

  #put(object: Record<string, unknown>, { name, type, repeated }: Field): void {
    if (type === "texts") {
      object[name] ??= {};
      this.#entry(object[name] as Record<string, string>);
      return;
    }
    const value = this.#value(type);
    if (repeated) {
      object[name] ??= [];
      (object[name] as unknown[]).push(value);
    } else if (value !== "" && value !== undefined) object[name] = value;
  }

  #value(type: Exclude<FieldType, "texts">): unknown {
    switch (type) {
      case "text":
        return this.#text();
      case "number":
        return this.#number();
      case "count":
        return this.#number() || undefined;
      case "flag":
        return this.#number() === 0 ? undefined : true;
      case "time":
        return this.#time();
      case "intOrString":
        return this.#intOrString();
      default:
        return this.message(type, this.#end());
    }
  }

  #each(end: number, read: (number: number) => void): void {
    const reader = this.#reader;
    if (end > this.#bytes.length) throw new ProtobufError("it is cut off");
    for (let number = reader.nextField(end); number !== 0; number = reader.nextField(end)) read(number);
    if (reader.pos !== end) throw new ProtobufError(`a field goes beyond the end of its message, at byte ${end}`);
  }

  /** Where the length-delimited field ends that begins here. */
  #end(): number {
    this.#expect(lengthDelimited);
    const length = this.#reader.readVarint();
    return this.#reader.pos + length;
  }

  #text(): string {
    const end = this.#end();
    if (end > this.#bytes.length) throw new ProtobufError("it is cut off");
    const text = this.#bytes.toString("utf8", this.#reader.pos, end);
    this.#reader.pos = end;
    return text;
  }

  #number(): number {
    this.#expect(varint);
    return this.#reader.readVarint(true);
  }

  #expect(wireType: number): void {
    const { type, pos } = this.#reader;
    if (type !== wireType) throw new ProtobufError(`wire type ${type} at byte ${pos}, where ${wireType} was to be`);
  }

  #entry(map: Record<string, string>): void {
    let [key, value] = ["", ""];
    this.#each(this.#end(), (number) => {
      if (number === 1) key = this.#text();
      else if (number === 2) value = this.#text();
    });
    // An assignment to this name would change the map's prototype, and the entry be lost.
    if (key === "__proto__") Object.defineProperty(map, key, { value, enumerable: true });
    else map[key] = value;
  }

  /** Undefined for the zero time, which JSON has as null. */
  #time(): string | undefined {
    let seconds: number | undefined;
    let nanos = 0;
    this.#each(this.#end(), (number) => {
      if (number === 1) seconds = this.#number();
      else if (number === 2) nanos = this.#number();
    });
    if (seconds === undefined) return undefined;
    const whole = new Date(seconds * 1000).toISOString().slice(0, -".000Z".length);
    const micros = String(Math.floor(nanos / nanosInMicro)).padStart(6, "0");
    return nanos === 0 ? `${whole}Z` : `${whole}.${micros}Z`;
  }

  #intOrString(): number | string {
    let [type, number, text] = [0, 0, ""];
    this.#each(this.#end(), (field) => {
      if (field === 1) type = this.#number();
      else if (field === 2) number = this.#number();
      else if (field === 3) text = this.#text();
    });
    return type === 0 ? number : text;
  }
}
