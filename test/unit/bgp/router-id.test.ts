import { describe, expect, test } from "vitest";
import { planBgp } from "../../../src/bgp/plan/plan-bgp.ts";
import { parseRouterId, routerIdOfName } from "../../../src/bgp/plan/router-id.ts";
import { bgpInputs, clusterSnapshot, nodeName } from "./cluster.ts";

const node = nodeName("node-1");

describe("CALICO_ROUTER_ID", () => {
  test("is four octets, or made from the node's name, or not there", () => {
    expect(parseRouterId("192.0.2.7", node)).toBe("192.0.2.7");
    expect(parseRouterId("hash", node)).toBe(routerIdOfName(node));
    expect(parseRouterId("", node)).toBeUndefined();
  });

  test.each(["0.0.0.0", "fd00::1", "7", "Hash"])("%s is refused", (text) => {
    expect(() => parseRouterId(text, node)).toThrow(`Cannot use ${JSON.stringify(text)} as CALICO_ROUTER_ID`);
  });

  test("goes before the node's address", () => {
    const inputs = bgpInputs(clusterSnapshot({ nodes: { "node-1": { ips: ["10.0.0.1"] } } }), node);
    const routerId = parseRouterId("192.0.2.7", node);
    expect(planBgp({ ...inputs, routerId })?.routerId).toBe("192.0.2.7");
    expect(planBgp({ ...inputs, routerId: undefined })?.routerId).toBe("10.0.0.1");
  });
});
