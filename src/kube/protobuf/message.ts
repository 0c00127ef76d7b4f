import { PbfReader } from "pbf";
import { messageOf } from "../../net/message-of.ts";
import { sharedText } from "./shared-text.ts";

/** Which fields of a message are read, by number. */
export interface Message {
  readonly fields: Readonly<Record<number, Field>>;
  /** It must have no others, and what is empty in it counts, as in a restriction that nothing may be left out of. */
  readonly strict: boolean;
}

/** One field: its name in JSON and what it is. */
export interface Field {
  readonly name: string;
  readonly repeated: boolean;
  readonly type: FieldType;
}

/**
 * - `text`: a string. Empty is as absent, as Kubernetes writes JSON, but for a list and a strict message.
 * - `number`: an int32 or int64 within what a double can hold.
 * - `count`: one that is as absent when it is 0.
 * - `flag`: a bool, absent when it is false.
 * - `choice`: a bool of which false says something else than nothing.
 * - `texts`: a `map<string, string>`.
 * - `time`: metav1.Time, which JSON has as RFC 3339.
 * - `intOrString`: a number or a text.
 * - `bytes`: a Buffer, another message mostly.
 */
export type FieldType =
  | ("text" | "number" | "count" | "flag" | "choice" | "texts" | "time" | "intOrString" | "bytes")
  | Message;

/** Bytes that are no such message: cut off, or of another kind. */
export class ProtobufError extends Error {
  constructor(what: string, options?: ErrorOptions) {
    super(`Cannot read protobuf: ${what}`, options);
    this.name = "ProtobufError";
  }
}

/**
 * A strict message has a field that is not known. Whether it says anything cannot be told: what JSON would leave out is written as
 * zero or empty here. So JSON is to be asked for.
 */
export class UnknownFieldError extends ProtobufError {}

/**
 * What the JSON of a Kubernetes object would be (protobuf encoding, proto2, as k8s.io/api's `generated.proto` files have it), with
 * the fields that `message` names and no others. Throws a `ProtobufError`.
 */
export function readMessage<T extends object = object>(bytes: Buffer, message: Message): T {
  try {
    return new MessageReader(bytes).message(message, bytes.length) as T;
  } catch (error) {
    throw error instanceof ProtobufError ? error : new ProtobufError(messageOf(error), { cause: error });
  }
}

// --- internal ---

/** Wire types (Protocol Buffers, "Encoding"). */
const varint = 0;
const lengthDelimited = 2;

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
      if (field !== undefined) this.#put(object, field, strict);
      else if (strict) throw new UnknownFieldError(`field ${number} is not known here`);
    });
    return object;
  }

  #put(object: Record<string, unknown>, { name, type, repeated }: Field, strict: boolean): void {
    if (type === "texts") {
      object[name] ??= {};
      this.#entry(object[name] as Record<string, string>);
      return;
    }
    const value = this.#value(type);
    if (repeated) {
      object[name] ??= [];
      (object[name] as unknown[]).push(value);
    } else if (value !== undefined && (value !== "" || strict)) object[name] = value;
  }

  #value(type: Exclude<FieldType, "texts">): unknown {
    switch (type) {
      case "text":
        return this.#text();
      case "bytes":
        return this.#bytesOfField();
      case "number":
        return this.#number();
      case "count":
        return this.#number() || undefined;
      case "flag":
        return this.#number() === 0 ? undefined : true;
      case "choice":
        return this.#number() !== 0;
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
    for (let number = reader.nextField(end); number !== 0; number = reader.nextField(end)) read(number);
    if (reader.pos !== end) throw new ProtobufError(`a field goes beyond the end of its message, at byte ${end}`);
  }

  /** Where the length-delimited field ends that begins here. */
  #end(): number {
    this.#expect(lengthDelimited);
    const length = this.#reader.readVarint();
    const end = this.#reader.pos + length;
    if (end > this.#bytes.length) throw new ProtobufError("it is cut off");
    return end;
  }

  #text(): string {
    const end = this.#end();
    const start = this.#reader.pos;
    this.#reader.pos = end;
    return sharedText(this.#bytes, start, end);
  }

  #bytesOfField(): Buffer {
    const end = this.#end();
    const bytes = this.#bytes.subarray(this.#reader.pos, end);
    this.#reader.pos = end;
    return bytes;
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
    const { key = "", value = "" } = this.message(mapEntry, this.#end()) as { key?: string; value?: string };
    // An assignment to this name would change the map's prototype, and the entry be lost.
    if (key === "__proto__") Object.defineProperty(map, key, { value, enumerable: true });
    else map[key] = value;
  }

  /** Undefined for the zero time, which JSON has as null. */
  #time(): string | undefined {
    const { seconds } = this.message(timestamp, this.#end()) as { seconds?: number };
    return seconds === undefined ? undefined : new Date(seconds * 1000).toISOString().replace(".000Z", "Z");
  }

  #intOrString(): number | string {
    const {
      type,
      number = 0,
      text = "",
    } = this.message(intOrString, this.#end()) as {
      type?: number;
      number?: number;
      text?: string;
    };
    return type === undefined ? number : text;
  }
}

const mapEntry: Message = {
  fields: { 1: { name: "key", repeated: false, type: "text" }, 2: { name: "value", repeated: false, type: "text" } },
  strict: false,
};

/** metav1.Time: its seconds since 1970, and nanoseconds that are always 0. */
const timestamp: Message = { fields: { 1: { name: "seconds", repeated: false, type: "number" } }, strict: false };

/** intstr.IntOrString: its type is 0 for a number, 1 for a text. */
const intOrString: Message = {
  fields: {
    1: { name: "type", repeated: false, type: "count" },
    2: { name: "number", repeated: false, type: "number" },
    3: { name: "text", repeated: false, type: "text" },
  },
  strict: false,
};
