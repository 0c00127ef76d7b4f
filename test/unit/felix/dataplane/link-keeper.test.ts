import { expect, test } from "vitest";
import { LinkKeeper } from "../../../../src/felix/dataplane/link-keeper.ts";
import { forwardingSettings } from "../../../../src/host/host-settings.ts";
import type { IpVersion } from "../../../../src/net/ip.ts";

test("the node's own settings that are to be others by now are written where they differ, and are no drift", async () => {
  const kernel = new Map([
    ["ipv4/ip_forward", "0"],
    ["ipv6/conf/all/forwarding", "0"],
  ]);
  const written: string[] = [];
  const versions = new Set<IpVersion>([4]);
  const keeper = new LinkKeeper({
    ...{ netlink: { links: async () => [], setLink: async () => undefined }, interfacePrefix: "cali" },
    wanted: () => new Map(),
    nodeSettings: () => forwardingSettings(versions),
    readSetting: (key) => kernel.get(key),
    writeSetting: (key, value) => {
      kernel.set(key, value);
      written.push(key);
    },
  });
  keeper.setNode();
  expect(written).toEqual(["ipv4/ip_forward"]);
  versions.add(6);
  keeper.setNode();
  expect(written).toEqual(["ipv4/ip_forward", "ipv6/conf/all/forwarding"]);
  expect(await keeper.drift(new Set(["settings"]))).toEqual([]);
});
