import { expect, test } from "vitest";
import { closedIpamConfiguration } from "../../../src/api/closed-ipam-configuration.ts";
import { parseIpamConfiguration } from "../../../src/api/ipam-configuration.ts";

function settings(spec: unknown) {
  return { metadata: { name: "default", resourceVersion: "7" }, spec };
}

const strictest = { strictAffinity: true, maxBlocksPerHost: 1, autoAllocateBlocks: false, ipCooldownSeconds: 1200 };

test.each([
  // Of another version of the API: only that field is not understood, and nothing is stricter for it.
  [
    { kubeVirtVMAddressPersistence: "Sometimes", maxBlocksPerHost: 4, strictAffinity: false },
    { strictAffinity: false, maxBlocksPerHost: 4, autoAllocateBlocks: true, ipCooldownSeconds: 0 },
  ],
  [{ strictAffinity: "yes" }, { strictAffinity: true, maxBlocksPerHost: 0, autoAllocateBlocks: true }],
  [{ autoAllocateBlocks: "no" }, { strictAffinity: true, autoAllocateBlocks: false, ipCooldownSeconds: 0 }],
  [{ maxBlocksPerHost: -1 }, { strictAffinity: false, maxBlocksPerHost: 1 }],
  [{ maxBlocksPerHost: 2_147_483_647 }, { maxBlocksPerHost: 2_147_483_647 }],
  [{ ipCooldownSeconds: 3600 }, { strictAffinity: false, ipCooldownSeconds: 1200 }],
  [
    { strictAffinity: false, autoAllocateBlocks: false },
    { strictAffinity: true, autoAllocateBlocks: false },
  ],
  ["nonsense", strictest],
  [undefined, strictest],
])("what cannot be read of %j is taken for the strictest", (spec, expected) => {
  expect(() => parseIpamConfiguration(settings(spec))).toThrow("Cannot read IPAMConfiguration default");
  const stand = closedIpamConfiguration(settings(spec));
  expect(stand?.spec).toMatchObject(expected);
  expect(stand?.metadata).toMatchObject({ name: "default", resourceVersion: "7" });
});

test("what is no object has no settings", () => {
  expect(closedIpamConfiguration(null)).toBeUndefined();
});
