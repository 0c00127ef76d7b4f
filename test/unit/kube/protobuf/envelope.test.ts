import fc from "fast-check";
import { expect, test } from "vitest";
import { feeds } from "../../../../src/kube/fed-kinds.ts";
import { networkPolicyMessage, podMessage } from "../../../../src/kube/protobuf/core-messages.ts";
import { framesOf, readEnvelope, readWatchFrame } from "../../../../src/kube/protobuf/envelope.ts";
import { ProtobufError, readMessage, UnknownFieldError } from "../../../../src/kube/protobuf/message.ts";
import { encode, envelope, type Fields, watchFrame } from "./encode.ts";

const meta = (...labels: readonly (readonly [string, string])[]) =>
  encode([
    [1, "web"],
    [3, "default"],
    [5, "uid-1"],
    [6, "17"],
    ...labels.map(([key, value]) => [11, encode([[1, key], [2, value]])] as const), // biome-ignore format: an entry
  ]);

const pod = encode([
  [1, meta(["app", "web"], ["empty", ""])],
  [2, encode([[10, "node-1"]])],
  [3, encode([[1, "Running"]])],
]);

const readPod = {
  metadata: {
    name: "web",
    namespace: "default",
    uid: "uid-1",
    resourceVersion: "17",
    labels: { app: "web", empty: "" },
  },
  spec: { nodeName: "node-1" },
  status: { phase: "Running" },
};

test("an object is what its JSON would be", () => {
  expect(readEnvelope(envelope("Pod", pod), podMessage)).toEqual(readPod);
});

test("a Status is one, whatever was asked for", () => {
  const status = encode([
    [3, "no such pod"],
    [4, "NotFound"],
    [6, 404],
  ]);
  const read = { kind: "Status", message: "no such pod", reason: "NotFound", code: 404 };
  expect(readEnvelope(envelope("Status", status), podMessage)).toEqual(read);
});

test("cut off anywhere, it is an error and never another object", () => {
  const whole = envelope("Pod", pod);
  for (let length = 0; length < whole.length - 4; length++) {
    expect(() => readEnvelope(whole.subarray(0, length), podMessage)).toThrow(ProtobufError);
  }
});

test("whatever bytes come, it is an object or a ProtobufError", () => {
  const bytes = fc.uint8Array({ maxLength: 200 });
  fc.assert(
    fc.property(bytes, fc.nat(200), fc.nat(255), (noise, place, change) => {
      const spoilt = Buffer.from(pod);
      spoilt[place % spoilt.length] = change;
      for (const one of [Buffer.from(noise), spoilt]) {
        try {
          expect(readMessage(one, podMessage)).toBeTypeOf("object");
        } catch (error) {
          if (!(error instanceof ProtobufError)) throw error;
        }
      }
    }),
    { numRuns: 2_000 },
  );
});

test("a field that a policy's spec has and we do not know is for JSON to say, one of its metadata is left out", () => {
  const newer = [
    [1, Buffer.alloc(0)],
    [9, ""],
  ] as const;
  const policy = (spec: Fields, ...metadata: Fields) =>
    encode([
      [1, Buffer.concat([meta(), encode(metadata)])],
      [2, encode(spec)],
    ]);
  expect(() => readMessage(policy(newer), networkPolicyMessage)).toThrow(UnknownFieldError);
  const known = readMessage(policy([[1, Buffer.alloc(0)]], [99, "newer"]), networkPolicyMessage);
  expect(feeds.networkPolicy.parse(known)).toMatchObject({ name: "web", types: ["Ingress"] });
});

test.each([
  ["protocol", [[1, ""]]],
  ["port", [[2, encode([[1, 1], [3, ""]])]]], // biome-ignore format: fields
] as const)("an empty %s of a policy's port is not left out, and so is refused as in JSON", (_name, port) => {
  const ingress = encode([[1, encode(port)]]);
  const spec = encode([
    [1, Buffer.alloc(0)],
    [2, ingress],
  ]);
  const policy = readMessage(encode([[1, meta()], [2, spec]]), networkPolicyMessage); // biome-ignore format: fields
  expect(() => feeds.networkPolicy.parse(policy)).toThrow("spec.ingress[0].ports[0]");
});

test("a selector does not lose a label named __proto__, and so is refused as in JSON", () => {
  const selector = encode([[1, encode([[1, "__proto__"], [2, "x"]])]]); // biome-ignore format: an entry
  const policy = readMessage(encode([[1, meta()], [2, encode([[1, selector]])]]), networkPolicyMessage); // biome-ignore format: fields
  expect(() => feeds.networkPolicy.parse(policy)).toThrow("it is no label");
});

test("times are as JSON has them, and the zero time is none", () => {
  const at = (...fields: Fields) => readMessage(encode([[1, encode([[9, encode(fields)]])]]), podMessage);
  expect(at([1, 1_700_000_000])).toEqual({ metadata: { deletionTimestamp: "2023-11-14T22:13:20Z" } });
  expect(at([1, 1_700_000_000], [2, 0])).toEqual({ metadata: { deletionTimestamp: "2023-11-14T22:13:20Z" } });
  expect(at()).toEqual({ metadata: {} });
});

test("the frames of a stream come whole however it is cut, and its end within one is an error", async () => {
  const stream = Buffer.concat(["ADDED", "MODIFIED", "DELETED"].map((type) => watchFrame(type, "Pod", pod)));
  const read = async (size: number, end = stream.length) => {
    const pieces = async function* () {
      for (let from = 0; from < end; from += size) yield stream.subarray(from, Math.min(end, from + size));
    };
    const frames = await Array.fromAsync(framesOf(pieces()));
    return frames.flat().map((frame) => readWatchFrame(frame, podMessage));
  };
  for (const size of [1, 3, 4, 5, 100, 1_000]) {
    expect(await read(size)).toEqual(["ADDED", "MODIFIED", "DELETED"].map((type) => ({ type, object: readPod })));
  }
  await expect(read(7, stream.length - 1)).rejects.toThrow("the stream ended within a frame");
});
