import { expect, test } from "vitest";
import { parseAsNumber } from "../../../src/api/as-number.ts";
import { namespacedName, splitName } from "../../../src/api/names.ts";
import { parsePeerAddress } from "../../../src/api/peer-address.ts";

test.each([
  [64512, 64512],
  ["64512", 64512],
  ["4294967295", 4294967295],
  ["1.10", 65546],
  ["65535.65535", 4294967295],
  ["0", 0],
  ["0.0", 0],
])("the AS number %j", (given, number) => {
  expect(parseAsNumber(given)).toBe(number);
});

test.each(["", " 1", "-1", "1.", "4294967296", "65536.0", "1.65536", "1.2.3", "0x10", 1.5e9 + 0.123456, -1])(
  "%j is no AS number",
  (given) => {
    expect(parseAsNumber(given)).toBeUndefined();
  },
);

test.each([
  ["shop", "web-0"],
  ["", "node-1"],
])("the key of %j and %j comes apart again", (namespace, name) => {
  expect(splitName(namespacedName(namespace, name))).toEqual([namespace, name]);
});

test.each([
  ["192.0.2.1", "192.0.2.1", undefined],
  ["192.0.2.1:1790", "192.0.2.1", 1790],
  ["2001:DB8::1", "2001:db8::1", undefined],
  ["[2001:db8::1]:179", "2001:db8::1", 179],
])("the peer address %s", (text, ip, port) => {
  expect(parsePeerAddress(text)).toEqual({ ip, port });
});

test.each(["", "host:179", "192.0.2.1:", "192.0.2.1:99999", "[192.0.2.1]:179", "[2001:db8::1]", "2001:db8::1:99999"])(
  "%j is no peer address",
  (text) => {
    expect(parsePeerAddress(text)).toBeUndefined();
  },
);
