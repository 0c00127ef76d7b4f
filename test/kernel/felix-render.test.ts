import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { DesiredState, Table } from "../../src/felix/render/desired-state.ts";
import { printTable } from "../../src/felix/render/iptables.ts";
import { defaultRenderOptions } from "../../src/felix/render/options.ts";
import { render } from "../../src/felix/render/render.ts";
import type { IpVersion } from "../../src/net/ip.ts";
import { hostPlan } from "../unit/felix/host-plan.ts";
import { ipSetText, restoreText } from "../unit/felix/restore-text.ts";
import { smallPlan } from "../unit/felix/small-plan.ts";
import { makeNamespace, type TestNamespace } from "./netlink-namespaces.ts";

const states: Readonly<Record<string, DesiredState>> = {
  "workloads alone": render(smallPlan, defaultRenderOptions),
  "host endpoints": render(hostPlan, { ...defaultRenderOptions, logLimit: { rate: "10/minute", burst: 5 } }),
};

const cases = (["nft", "legacy"] as const).flatMap((variant) =>
  Object.entries(states).map(([plan, state]) => ({ variant, plan, state })),
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

// --- internal ---

function foreignRules(table: Table): string {
  return [...table.hooks.keys()].map((chain) => `-A ${chain} -m comment --comment foreign -j RETURN\n`).join("");
}

/** The first comment of each rule of the chain, in order. */
function commentsIn(saved: string, chain: string): readonly (string | undefined)[] {
  const lines = saved.split("\n").filter((line) => line.startsWith(`-A ${chain} `));
  return lines.map((line) => /--comment "?([^" ]+)"?/.exec(line)?.[1]);
}
