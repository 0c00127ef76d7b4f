import { expect, test } from "vitest";
import type { Action } from "../../../../src/felix/render/desired-state.ts";
import { type DispatchTree, dispatchBy } from "../../../../src/felix/render/dispatch-chains.ts";
import { defaultRenderOptions as options } from "../../../../src/felix/render/options.ts";

const tree: DispatchTree = {
  ...{ root: "cali-root", match: "in-interface", prefix: "eth", hasBranches: false },
  end: [{ matches: [], action: { kind: "drop" } }],
};
const back: Action = { kind: "return" };
const goto = (chain: string): Action => ({ kind: "goto", chain });

test("of an earlier tree the rules that say the same are taken over, and no others", () => {
  const steps: readonly Readonly<Record<string, Action>>[] = [
    { eth0: goto("cali-a"), eth1: back },
    { eth0: goto("cali-a"), eth2: back },
    { eth0: goto("cali-b"), eth2: back },
    { eth0: back, eth2: back },
    { eth2: back },
    {},
    { eth0: back, eth1: back, eth2: goto("cali-a") },
  ];
  let earlier = dispatchBy([], tree, { options });
  for (const step of steps) {
    const alone = dispatchBy(Object.entries(step), tree, { options });
    const next = dispatchBy(Object.entries(step), tree, { options }, earlier);
    expect(next.chains).toEqual(alone.chains);
    expect(dispatchBy(Object.entries(step), tree, { options }, next).chains.get("cali-root")).toBe(
      next.chains.get("cali-root"),
    );
    const texts = new Map(earlier.chains.get("cali-root")?.map((rule) => [JSON.stringify(rule), rule]));
    for (const rule of next.chains.get("cali-root") ?? []) expect(texts.get(JSON.stringify(rule)) ?? rule).toBe(rule);
    earlier = next;
  }
});
