import { expect, test } from "vitest";
import type { Table } from "../../../../src/felix/render/desired-state.ts";
import { workloadDispatch } from "../../../../src/felix/render/dispatch-chains.ts";
import { endpointPath } from "../../../../src/felix/render/endpoint-path.ts";
import { endpointChain } from "../../../../src/felix/render/names.ts";
import { defaultRenderOptions, type RenderOptions } from "../../../../src/felix/render/options.ts";

function tableOf(backend: RenderOptions["backend"], ...names: readonly string[]): Table {
  const family = { version: 4, options: { ...defaultRenderOptions, backend } } as const;
  const own = names.flatMap((name) =>
    (["ingress", "egress"] as const).map((one) => [endpointChain(one, name), []] as const),
  );
  const found = (["ingress", "egress"] as const).map((one) => workloadDispatch(one, names, family));
  const chains = new Map([...found.flatMap((one) => [...one.chains]), ...own]);
  const maps = new Map(found.flatMap((one) => [...one.maps]));
  return { version: 4, name: "filter", chains, hooks: new Map(), maps };
}

test("the path has the endpoint's chains and every dispatch chain before them, and no other's", () => {
  expect(endpointPath(tableOf("iptables", "cali1"), "cali1")).toEqual([
    "cali-tw-cali1",
    "cali-to-wl-dispatch-1",
    "cali-to-wl-dispatch",
    "cali-fw-cali1",
    "cali-from-wl-dispatch-1",
    "cali-from-wl-dispatch",
  ]);
  expect(endpointPath(tableOf("iptables", "calia1", "calia2", "calib1"), "calia2")).toEqual([
    "cali-tw-calia2",
    "cali-to-wl-dispatch-a",
    "cali-to-wl-dispatch",
    "cali-fw-calia2",
    "cali-from-wl-dispatch-a",
    "cali-from-wl-dispatch",
  ]);
  expect(endpointPath(tableOf("iptables", "cali1"), "cali2")).toEqual([]);
});

test("where a map leads to the endpoint, the chain that looks into it is on the path", () => {
  const own = ["cali-tw-calia2", "cali-to-wl-dispatch", "cali-fw-calia2", "cali-from-wl-dispatch"];
  expect(endpointPath(tableOf("nftables", "calia1", "calia2", "calib1"), "calia2")).toEqual(own);
  expect(endpointPath(tableOf("nftables", "cali1"), "cali2")).toEqual([]);
});
