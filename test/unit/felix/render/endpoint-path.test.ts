import { expect, test } from "vitest";
import { dispatchChains } from "../../../../src/felix/render/dispatch-chains.ts";
import { endpointPath } from "../../../../src/felix/render/endpoint-path.ts";
import { endpointChain } from "../../../../src/felix/render/names.ts";

function tableOf(...names: readonly string[]) {
  const own = names.flatMap((name) =>
    (["ingress", "egress"] as const).map((one) => [endpointChain(one, name), []] as const),
  );
  const [ingress, egress] = (["ingress", "egress"] as const).map((one) =>
    dispatchChains(one, names, { interfacePrefix: "cali" }),
  );
  const chains = new Map([...(ingress ?? []), ...(egress ?? []), ...own]);
  return { version: 4, name: "filter", chains, hooks: new Map() } as const;
}

test("the path has the endpoint's chains and every dispatch chain before them, and no other's", () => {
  expect(endpointPath(tableOf("cali1"), "cali1")).toEqual([
    "cali-tw-cali1",
    "cali-to-wl-dispatch-1",
    "cali-to-wl-dispatch",
    "cali-fw-cali1",
    "cali-from-wl-dispatch-1",
    "cali-from-wl-dispatch",
  ]);
  expect(endpointPath(tableOf("calia1", "calia2", "calib1"), "calia2")).toEqual([
    "cali-tw-calia2",
    "cali-to-wl-dispatch-a",
    "cali-to-wl-dispatch",
    "cali-fw-calia2",
    "cali-from-wl-dispatch-a",
    "cali-from-wl-dispatch",
  ]);
  expect(endpointPath(tableOf("cali1"), "cali2")).toEqual([]);
});
