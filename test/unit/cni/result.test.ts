import { expect, test } from "vitest";
import { supportedVersions } from "../../../src/cni/net-conf.ts";
import { formatResult } from "../../../src/cni/result.ts";
import { parseIp } from "../../../src/net/ip.ts";

const outcome = {
  hostInterface: "cali0ef24ba27a4",
  hostMac: "ee:ee:ee:ee:ee:ee",
  interfaceName: "eth0",
  mac: "0a:58:c0:a8:07:01",
  netns: "/run/netns/x",
  mtu: 1450,
  addresses: [parseIp("192.168.7.1"), parseIp("fd00:7::1")],
};

for (const version of supportedVersions) {
  test(`the result of ${version}`, async () => {
    const json = JSON.stringify(JSON.parse(formatResult(outcome, version)), undefined, 2);
    await expect(`${json}\n`).toMatchFileSnapshot(`../../golden/cni/result-${version}.golden`);
  });
}

test("a family that is not assigned is not mentioned", () => {
  const [v4] = outcome.addresses;
  const only = { ...outcome, addresses: v4 === undefined ? [] : [v4] };
  expect(JSON.parse(formatResult(only, "0.2.0"))).toEqual({
    cniVersion: "0.2.0",
    ip4: { ip: "192.168.7.1/32" },
    dns: {},
  });
  expect(JSON.parse(formatResult(only, "1.0.0")).ips).toEqual([{ interface: 1, address: "192.168.7.1/32" }]);
});
