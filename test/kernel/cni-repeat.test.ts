import { describe, expect } from "vitest";
import type { CniDependencies } from "../../src/cni/dependencies.ts";
import { confOf } from "./cni-call.ts";
import { withNetlinkFault, withSysctlFault } from "./cni-fault.ts";
import { type CniNode, storeIsAway } from "./cni-node.ts";
import { container, test } from "./cni-test.ts";

describe("a repeated ADD or a CHECK of a pod that runs does not cut it off", () => {
  /** Calls a later agent, one with `changes`, for a pod that lost a route: what is left of it must stay. Answers ADD's reply. */
  async function expectKept(node: CniNode, changes: Partial<CniDependencies>, netnsOfCall?: string): Promise<unknown> {
    const netns = node.addPod("web");
    const conf = confOf({ cniVersion: "1.0.0", ipam: bothFamilies });
    const server = await node.serve();
    const { json } = await node.call({ verb: "ADD", container, netns, pod: "web", conf });
    await server.close();
    await node.run(netns, ["ip", "-6", "route", "delete", "default"]);
    const before = await node.leftovers();
    const later = await node.serve(changes);
    const call = { container, netns: netnsOfCall ?? netns, pod: "web" };
    const check = await node.call({ verb: "CHECK", ...call, conf: { ...conf, prevResult: json } });
    expect(check.json).toMatchObject({ code: expect.any(Number) });
    const again = await node.call({ verb: "ADD", ...call, conf });
    expect(await node.leftovers()).toEqual(before);
    expect(node.addressesOf(container)).toHaveLength(2);
    await node.connect(netns, node.netns, "10.250.0.1");
    await later.close();
    // And it mends what it found once it can.
    await node.serve();
    const mended = await node.call({ verb: "ADD", container, netns, pod: "web", conf });
    expect(mended.json).toEqual(json);
    await node.connect(netns, node.netns, "fd00:250::1");
    return again.json;
  }

  const bothFamilies = { type: "calico-ipam", assign_ipv4: true, assign_ipv6: true };
  const faults: Readonly<Record<string, (node: CniNode) => Partial<CniDependencies>>> = {
    "a sysctl of the node": (node) => withSysctlFault(node, "proxy_arp"),
    "a sysctl of the pod": (node) => withSysctlFault(node, "ip_forward"),
    "looking at the node's end": (node) => withNetlinkFault(node, "link", false),
    "looking at the pod's end": (node) => withNetlinkFault(node, "link", true),
    "bringing the node's end up": (node) => withNetlinkFault(node, "setLink", false),
    "bringing the pod's end up": (node) => withNetlinkFault(node, "setLink", true),
    "the pod's address": (node) => withNetlinkFault(node, "addAddress", true),
    "the pod's routes": (node) => withNetlinkFault(node, "replaceRoutes", true),
    "policy and routes": () => ({
      publish: async () => {
        throw new Error("Cannot program policy: the kernel refused it");
      },
    }),
  };
  for (const [step, changes] of Object.entries(faults)) {
    test(`when it fails at ${step}`, async ({ node }) => {
      expect(await expectKept(node, changes(node))).toMatchObject({ msg: expect.stringMatching(/^Cannot /) });
    });
  }

  test("when the namespace that it names is a plain file", async ({ node }) => {
    const reply = await expectKept(node, {}, "/etc/hostname");
    expect(reply).toMatchObject({
      code: 4,
      msg: expect.stringMatching(/^Cannot use \/etc\/hostname as .*not a network namespace/),
    });
  });

  test("when the namespace that it names is another, and there is no address to be had", async ({ node }) => {
    const other = node.addPod("other");
    const changes: Partial<CniDependencies> = {
      ipam: { assign: storeIsAway, release: (handle, why) => node.dependencies.ipam.release(handle, why) },
    };
    expect(await expectKept(node, changes, other)).toMatchObject({ code: 11 });
  });
});
