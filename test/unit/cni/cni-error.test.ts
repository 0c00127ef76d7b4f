import { expect, test } from "vitest";
import { CniError, cniErrorOf, formatCniError } from "../../../src/cni/cni-error.ts";
import { NetlinkError } from "../../../src/host/netlink/netlink.ts";
import { IpamError } from "../../../src/ipam/ipam.ts";
import { KubeUnreachableError } from "../../../src/kube/client.ts";

test("each kind of failure has its code", () => {
  const codes = [
    new CniError(7, "Cannot use it"),
    new KubeUnreachableError("read pod shop/web", "https://10.96.0.1", new Error("ECONNREFUSED")),
    new IpamError("contended", "Cannot assign: others write too"),
    new IpamError("exhausted", "Cannot assign: every pool is full"),
    new NetlinkError("add route", "ENETUNREACH"),
    new Error("Cannot write: disk full"),
    "a word",
  ].map((error) => cniErrorOf(error).code);
  expect(codes).toEqual([7, 11, 11, 101, 102, 5, 5]);
});

test("what IPAM refuses has a code by its reason, and keeps its words", () => {
  const codes = { "no-pool": 101, exhausted: 101, outside: 101, taken: 101, contended: 11 } as const;
  for (const [reason, code] of Object.entries(codes)) {
    const refusal = new IpamError(
      reason as IpamError["reason"],
      "Cannot give pod shop/web an address: pool small is full",
    );
    expect(cniErrorOf(refusal), reason).toMatchObject({ code, message: refusal.message });
  }
});

test("a failure whose undoing failed says both, the failure first", async () => {
  const attempt = async () => {
    await using undo = new AsyncDisposableStack();
    undo.defer(() => {
      throw new Error("Cannot remove the file");
    });
    undo.defer(() => {
      throw new Error("Cannot delete the link");
    });
    throw new CniError(102, "Cannot wire", { details: "EIO" });
  };
  const error = cniErrorOf(await attempt().catch((thrown: unknown) => thrown));
  expect(error).toMatchObject({ code: 102, message: "Cannot wire" });
  expect(error.details).toMatch(/^EIO; .*Cannot delete the link; .*Cannot remove the file$/);
});

test("an assignment that IPAM could not take back is known by its first failure", () => {
  const away = new KubeUnreachableError("write a block", "https://10.96.0.1", new Error("ECONNREFUSED"));
  const error = cniErrorOf(new AggregateError([away, new Error("Cannot release")], "both"));
  expect(error).toMatchObject({ code: 11, message: away.message });
  expect(error.details).toMatch(/Undoing it failed too: Cannot release/);
});

test("the error object is the specification's", () => {
  const text = formatCniError(new CniError(7, 'Cannot use "x"', { details: "line\n2" }), "0.4.0");
  expect(JSON.parse(text)).toEqual({ cniVersion: "0.4.0", code: 7, msg: 'Cannot use "x"', details: "line\n2" });
});
