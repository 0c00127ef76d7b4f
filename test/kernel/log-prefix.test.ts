import { expect, test } from "vitest";
import type { EndpointPlan, NodePlan, PolicyId } from "../../src/felix/calc/plan.ts";
import { logPrefixOf } from "../../src/felix/render/log-prefix.ts";
import { defaultRenderOptions } from "../../src/felix/render/options.ts";
import { render } from "../../src/felix/render/render.ts";
import { policyOf, ruleOf, smallPlan } from "../unit/felix/small-plan.ts";
import { iptablesBench, nftBench } from "./rules-benches.ts";

const policy = policyOf("np/shop/web-to-db" as PolicyId, { tier: "platform", ingress: [ruleOf("log")] });
const ingress = {
  tiers: [{ name: policy.tier, policies: [policy.id], endAction: "pass" }],
  profile: "allow",
} as const;
const endpoint: EndpointPlan = {
  ...{ hostInterface: "cali0a1b2c3d4e5", addresses: [], state: "open" },
  ...{ ingress, egress: { tiers: [], profile: "allow" } },
};
const plan: NodePlan = {
  ...{ ...smallPlan, sets: new Map() },
  endpoints: new Map([[endpoint.hostInterface, endpoint]]),
  policies: new Map([[policy.id, policy]]),
};

const benches = {
  "iptables, variant nft": () => iptablesBench("nft"),
  "iptables, variant legacy": () => iptablesBench("legacy"),
  "native nftables": nftBench,
};
const prefixes = ["calico-packet", "%k %p of %t", " %t: %% /x_-", "%n".repeat(100)];
const cases = Object.entries(benches).flatMap(([name, open]) => prefixes.map((prefix) => ({ name, open, prefix })));

test.for(cases)("$name: the kernel keeps the prefix $prefix as it was rendered", async ({ name, open, prefix }) => {
  using bench = open();
  const options = {
    ...{ ...defaultRenderOptions, versions: [4] as const, logPrefix: prefix },
    backend: name === "native nftables" ? ("nftables" as const) : ("iptables" as const),
  };
  const state = render(plan, options);
  const driver = bench.newDriver();
  await driver.apply(state);
  const kept = [...bench.dump().matchAll(/(?:--log-prefix|log prefix) "([^"]*)"/g)].map(([, text]) => text);
  expect(kept).toEqual([logPrefixOf(policy, options)]);
  // What is applied again is the same.
  expect(await bench.newDriver().drift(state)).toEqual([]);
});
