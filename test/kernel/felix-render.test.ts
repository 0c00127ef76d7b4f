import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { NodePlan } from "../../src/felix/calc/plan.ts";
import { NftRules } from "../../src/felix/dataplane/nft-rules.ts";
import type { Table } from "../../src/felix/render/desired-state.ts";
import { printTable } from "../../src/felix/render/iptables.ts";
import { defaultRenderOptions, type RenderOptions } from "../../src/felix/render/options.ts";
import { render } from "../../src/felix/render/render.ts";
import { openNftables } from "../../src/host/netlink/nftables-netlink.ts";
import type { IpVersion } from "../../src/net/ip.ts";
import { hostPlan } from "../unit/felix/host-plan.ts";
import { floatingPlan, otherOptions } from "../unit/felix/render/options-states.ts";
import { ipSetText, restoreText } from "../unit/felix/restore-text.ts";
import { smallPlan } from "../unit/felix/small-plan.ts";
import { makeNamespace, type TestNamespace } from "./netlink-namespaces.ts";

const plans: Readonly<Record<string, readonly [NodePlan, RenderOptions]>> = {
  "workloads alone": [smallPlan, defaultRenderOptions],
  "host endpoints": [hostPlan, { ...defaultRenderOptions, logLimit: { rate: "10/minute", burst: 5 } }],
  "every option in another form": [floatingPlan, otherOptions],
};

const cases = (["nft", "legacy"] as const).flatMap((variant) =>
  Object.entries(plans).map(([plan, [of, options]]) => ({ variant, plan, state: render(of, options) })),
);

describe.for(cases)("iptables, variant $variant, a plan with $plan", ({ variant, state }) => {
  let namespace: TestNamespace;

  beforeAll(() => {
    namespace = makeNamespace();
    inside(["ipset", "restore"], [...state.sets.values()].map(ipSetText).join(""));
  });

  afterAll(() => namespace[Symbol.dispose]());

  test.for([...state.tables])("the kernel takes %s and gives back every rule in its place", ([, table]) => {
    const foreign = `*${table.name}\n${foreignRules(table)}COMMIT\n`;
    inside([program(table.version, "restore"), "--noflush", "--wait", "30"], foreign);
    inside([program(table.version, "restore"), "--noflush", "--wait", "30"], restoreText(table));
    const saved = inside([program(table.version, "save"), "-t", table.name]);
    const printed = printTable(table);
    for (const [chain, rules] of printed.chains) {
      expect(commentsIn(saved, chain), chain).toEqual(rules.map(({ hash }) => `cali:${hash}`));
    }
    for (const [chain, { inserted, appended }] of printed.hooks) {
      const ours = (rules: typeof inserted) => rules.map(({ hash }) => `cali:${hash}`);
      expect(commentsIn(saved, chain), chain).toEqual([...ours(inserted), "foreign", ...ours(appended)]);
    }
  });

  function inside(argv: readonly string[], stdin = ""): string {
    const inNamespace = ["netns", "exec", namespace.name, ...argv];
    return execFileSync("ip", inNamespace, { input: stdin, encoding: "utf8", stdio: ["pipe", "pipe", "pipe"] });
  }

  function program(version: IpVersion, what: "save" | "restore"): string {
    return `${version === 4 ? "iptables" : "ip6tables"}-${variant}-${what}`;
  }
});

describe.for(Object.entries(plans))("native nftables, a plan with %s", ([, [plan, options]]) => {
  test("the kernel takes it whole, and holds it", async () => {
    using namespace = makeNamespace();
    const nftables = openNftables(namespace.path);
    try {
      const rules = new NftRules(nftables);
      const state = render(plan, { ...options, backend: "nftables" });
      await rules.apply(state);
      expect(await rules.drift(state)).toEqual([]);
      const chains = await nftables.chains({ version: 4, table: "calico" });
      const names = new Set(chains.map(({ name }) => name));
      for (const { version, name, chains: own } of state.tables.values()) {
        if (version === 4) for (const chain of own.keys()) expect(names, chain).toContain(`${name}-${chain}`);
      }
    } finally {
      nftables.close();
    }
  });
});

// --- internal ---

function foreignRules(table: Table): string {
  return [...table.hooks.keys()].map((chain) => `-A ${chain} -m comment --comment foreign -j RETURN\n`).join("");
}

/** The first comment of each rule of the chain, in order. */
function commentsIn(saved: string, chain: string): readonly (string | undefined)[] {
  const lines = saved.split("\n").filter((line) => line.startsWith(`-A ${chain} `));
  return lines.map((line) => /--comment "?([^" ]+)"?/.exec(line)?.[1]);
}
