import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { NodeName } from "../../../src/api/names.ts";
import { affinityName, handleName } from "../../../src/ipam/object-names.ts";
import { parseCidr } from "../../../src/net/cidr.ts";

/** What the API server takes as an object name (RFC 1123 subdomain). */
const subdomain = /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

test("a handle's object has its name in lower case, as upstream", () => {
  expect(handleName("k8s-pod-network.0123ABCdef")).toBe("k8s-pod-network.0123abcdef");
  expect(handleName("ipip-tunnel-addr-node-1")).toBe("ipip-tunnel-addr-node-1");
});

test("a handle that would not be a name gets one of its own", () => {
  const hash = createHash("sha256").update("My_Net.0123").digest("hex").slice(0, 32);
  expect(handleName("My_Net.0123")).toBe(`my-net-0123-${hash}`);
  expect(handleName("My_Net.0123")).not.toBe(handleName("My-Net_0123"));
  fc.assert(fc.property(fc.string({ maxLength: 400 }), (handle) => subdomain.test(handleName(handle))));
});

test("an affinity's object is named for node and block, and a long one is cut", () => {
  const cidr = parseCidr("192.168.7.64/26");
  expect(affinityName({ node: "node-1" as NodeName, cidr })).toBe("node-1-192-168-7-64-26");
  const label = fc.string({ unit: fc.constantFrom(..."ab1"), minLength: 1, maxLength: 63 });
  const nodeName = fc.array(label, { minLength: 1, maxLength: 8 }).map((labels) => labels.join(".").slice(0, 252));
  fc.assert(
    fc.property(nodeName, (name) => subdomain.test(affinityName({ node: name.replace(/\.$/, "") as NodeName, cidr }))),
  );
});
