import { PbfWriter } from "pbf";

/** The fields of a message, each a text, a number, or a message again. */
export type Fields = readonly (readonly [number: number, value: string | number | Uint8Array])[];

/** The message of these fields. */
export function encode(fields: Fields): Buffer {
  const writer = new PbfWriter();
  for (const [number, value] of fields) {
    if (typeof value === "string") writer.writeStringField(number, value);
    else if (typeof value === "number") writer.writeVarintField(number, value);
    else writer.writeBytesField(number, value);
  }
  return Buffer.from(writer.finish());
}

/** An object of this kind as an API server answers it. */
export function envelope(kind: string, raw: Buffer): Buffer {
  const typeMeta = encode([
    [1, "v1"],
    [2, kind],
  ]);
  const unknown = encode([
    [1, typeMeta],
    [2, raw],
    [3, ""],
    [4, ""],
  ]);
  return Buffer.concat([Buffer.from("k8s\0"), unknown]);
}

/** An event with its length before it, as a watch streams it. */
export function watchFrame(type: string, kind: string, object: Buffer): Buffer {
  const event = encode([
    [1, type],
    [2, encode([[1, envelope(kind, object)]])],
  ]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(event.length);
  return Buffer.concat([length, event]);
}
