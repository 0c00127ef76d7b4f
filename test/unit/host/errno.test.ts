import { expect, test } from "vitest";
import { errnoName } from "../../../src/host/errno.ts";

test("numbers have the kernel's names", () => {
  expect([1, 2, 11, 17, 19, 22, 95, 101, 105].map(errnoName)).toEqual([
    "EPERM",
    "ENOENT",
    "EAGAIN",
    "EEXIST",
    "ENODEV",
    "EINVAL",
    "EOPNOTSUPP",
    "ENETUNREACH",
    "ENOBUFS",
  ]);
});

test("a number without a name is shown", () => {
  expect(errnoName(524)).toBe("errno 524");
});
