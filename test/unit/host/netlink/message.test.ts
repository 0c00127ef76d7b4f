import fc from "fast-check";
import { expect, test } from "vitest";
import { textAttribute } from "../../../../src/host/netlink/attribute.ts";
import { messageFlag, messageType } from "../../../../src/host/netlink/constants.ts";
import { decodeMessages, encodeMessage, refusalOf } from "../../../../src/host/netlink/message.ts";

const message = fc.record({
  type: fc.integer({ min: 0, max: 0xffff }),
  flags: fc.integer({ min: 0, max: 0xffff }),
  sequence: fc.integer({ min: 0, max: 0xffffffff }),
  payload: fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
});

test("a datagram holds what was put in it", () => {
  fc.assert(
    fc.property(fc.array(message), (messages) => {
      expect(decodeMessages(Buffer.concat(messages.map(encodeMessage)))).toEqual(messages);
    }),
  );
});

test("a message that claims more than there is is refused", () => {
  const cut = encodeMessage({ type: 16, flags: 0, sequence: 1, payload: Buffer.alloc(20) }).subarray(0, 30);
  expect(() => decodeMessages(cut)).toThrow("Cannot read a netlink message of 36 bytes at 0 of 30");
});

const sentence = textAttribute(1, "Nexthop has invalid gateway");
const request = encodeMessage({ type: 24, flags: 5, sequence: 3, payload: Buffer.alloc(22) });

test("an error is named and its sentence found, whether the request is repeated or capped", () => {
  const { error, done } = messageType;
  const { ackAttributes, capped } = messageFlag;
  const whole = { type: error, flags: ackAttributes, sequence: 3, payload: join(-101, request, sentence) };
  const header = request.subarray(0, 16);
  const short = { type: error, flags: ackAttributes | capped, sequence: 3, payload: join(-101, header, sentence) };
  const end = { type: done, flags: ackAttributes, sequence: 3, payload: join(-101, sentence) };
  for (const one of [whole, short, end]) {
    expect(refusalOf(one)).toEqual({ code: "ENETUNREACH", detail: "Nexthop has invalid gateway" });
  }
});

test("an error without a sentence has none, and an acknowledgement is no error", () => {
  const bare = { type: messageType.error, flags: 0, sequence: 3, payload: join(-17, request) };
  expect(refusalOf(bare)).toEqual({ code: "EEXIST", detail: undefined });
  expect(refusalOf({ ...bare, payload: join(0, request) })).toBeUndefined();
  expect(refusalOf({ ...bare, type: messageType.done, payload: Buffer.alloc(0) })).toBeUndefined();
});

function join(errno: number, ...parts: readonly Buffer[]): Buffer {
  const code = Buffer.alloc(4);
  code.writeInt32LE(errno);
  return Buffer.concat([code, ...parts]);
}
