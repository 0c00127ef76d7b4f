import { expect, test } from "vitest";
import { formatLease, leaseRoutes } from "../../../src/cni/lease-result.ts";
import { supportedVersions } from "../../../src/cni/net-conf.ts";
import { parseCidr } from "../../../src/net/cidr.ts";
import { parseIp } from "../../../src/net/ip.ts";

const v4 = { ip: parseIp("10.4.0.66"), block: parseCidr("10.4.0.64/26"), gateway: parseIp("10.4.0.65") };
const v6 = { ip: parseIp("fd00:6::42"), block: parseCidr("fd00:6::40/122"), gateway: undefined };
const routes = [{ dst: "0.0.0.0/0" }, { dst: "fd00:9::/48", gw: "fd00:6::41" }];

for (const version of supportedVersions) {
  test(`the lease of ${version}`, async () => {
    const json = JSON.stringify(JSON.parse(formatLease([v4, v6], leaseRoutes(routes), version)), undefined, 2);
    await expect(`${json}\n`).toMatchFileSnapshot(`../../golden/cni/lease-${version}.golden`);
  });
}

test("what there is none of is not mentioned", () => {
  expect(JSON.parse(formatLease([v6], [], "1.0.0"))).toEqual({
    cniVersion: "1.0.0",
    ips: [{ address: "fd00:6::42/122" }],
    dns: {},
  });
  expect(JSON.parse(formatLease([v6], [], "0.2.0"))).toEqual({
    cniVersion: "0.2.0",
    ip6: { ip: "fd00:6::42/122" },
    dns: {},
  });
});

test("a route that cannot be read is an error of the configuration", () => {
  expect(() => leaseRoutes([{ dst: "everywhere" }])).toThrow(
    expect.objectContaining({ code: 7, message: expect.stringContaining("ipam.routes") }),
  );
});
