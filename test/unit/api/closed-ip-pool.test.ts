import { expect, test } from "vitest";
import { closedIpPool } from "../../../src/api/closed-ip-pool.ts";
import { parseIpPool } from "../../../src/api/ip-pool.ts";

function pool(spec: object) {
  return { metadata: { name: "p", uid: "u", resourceVersion: "7" }, spec };
}

test.each([
  ["says nothing of them", {}, { natOutgoing: false, disableBGPExport: false }],
  ["says them readably", { natOutgoing: true, disableBGPExport: true }, { natOutgoing: true, disableBGPExport: true }],
  [
    "says them in words not known",
    { natOutgoing: "perhaps", disableBGPExport: 1 },
    { natOutgoing: false, disableBGPExport: true },
  ],
])("a pool that %s keeps its network, hides and masquerades accordingly, and gives nothing", (_, said, expected) => {
  const json = pool({ cidr: "10.1.2.3/16", vxlanMode: "Sometimes", disabled: false, nodeSelector: "all(", ...said });
  expect(() => parseIpPool(json)).toThrow("Cannot read IPPool p");
  const closed = closedIpPool(json);
  expect(closed?.spec).toMatchObject({ cidr: "10.1.0.0/16", disabled: true, allowedUses: [], ...expected });
  expect(closed?.metadata).toMatchObject({ name: "p", resourceVersion: "7", labels: {} });
});

test("an IPv6 pool has blocks of its own family", () => {
  expect(closedIpPool(pool({ cidr: "2001:db8::/64" }))?.spec).toMatchObject({ cidr: "2001:db8::/64", blockSize: 128 });
});

test.each([[pool({ cidr: "nonsense" })], [pool({})], [{ metadata: { name: "p" } }], [null]])(
  "without a readable network there is no pool: %j",
  (json) => {
    expect(closedIpPool(json)).toBeUndefined();
  },
);
