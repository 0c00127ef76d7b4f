import { pino } from "pino";
import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { countedRules } from "../../../src/agent/metrics/counted-rules.ts";
import { PolicyCounters } from "../../../src/agent/metrics/policy-counters.ts";
import { TopTotals } from "../../../src/agent/metrics/top-totals.ts";
import { iptablesCounters, parseSavedCounters, type RuleCounter } from "../../../src/felix/dataplane/rule-counters.ts";
import { printTable } from "../../../src/felix/render/iptables.ts";
import { defaultRenderOptions } from "../../../src/felix/render/options.ts";
import { render } from "../../../src/felix/render/render.ts";
import { LinuxHost } from "../../../src/host/linux-host.ts";
import { smallPlan } from "../felix/small-plan.ts";

const ingress = (policy: string) => ({ policy, direction: "ingress" }) as const;
const growth = (of: Record<string, number>) => new Map(Object.entries(of));

test("only rules of ours are read, whatever others have written into theirs", () => {
  const hash = "AbCdEfGhIjKlMn_-";
  const text = `*filter
:INPUT ACCEPT [9:9]
[1:2] -A INPUT -m comment --comment "cali:${hash}" -j cali-INPUT
[3:45] -A cali-INPUT -m comment --comment "cali:${hash}" -m comment --comment "knp/a/b ingress rule 0" -j DROP
[5:6] -A cali-INPUT -m comment --comment "cali:${hash}" -j DROP
[7:8] -A cali-INPUT -m comment --comment "not cali:${hash}" -j DROP
COMMIT
`;
  const place = `4 filter-cali-INPUT ${hash}`;
  expect(parseSavedCounters(text, 4)).toEqual([
    { place, instance: "0", packets: 3, bytes: 45 },
    { place, instance: "1", packets: 5, bytes: 6 },
  ]);
});

test("every rule of a policy that decides is counted for it", () => {
  const state = render(smallPlan, defaultRenderOptions);
  const source = iptablesCounters({ host: new LinuxHost(), print: printTable });
  const counted = [...countedRules(state, source, defaultRenderOptions.marks).values()];
  const policies = new Set(counted.map(({ policy }) => policy).filter((policy) => !policy.startsWith("tier/")));
  const deciding = [...smallPlan.policies.values()].filter(({ ingress, egress }) => ingress.length + egress.length > 0);
  expect([...policies].sort()).toEqual(deciding.map(({ id }) => id).sort());
  for (const { policy, direction, action, rule } of counted) {
    const plan = [...smallPlan.policies.values()].find(({ id }) => id === policy);
    if (plan === undefined) continue;
    const wanted = plan[direction].find(({ origin }) => String(origin) === rule)?.action;
    expect(action, `${policy} ${direction} ${rule}`).toBe(plan.staged ? "none" : wanted);
  }
  expect(counted.filter(({ policy }) => policy.startsWith("tier/")).length).toBeGreaterThan(0);
});

test("those with the most traffic are named, the others summed, and totals never shrink", () => {
  const totals = new TopTotals(2);
  const take = (of: Record<string, number>) => {
    totals.choose(new Set(["a", "b", "c"]), growth(of));
    for (const [policy, packets] of Object.entries(of))
      totals.add(ingress(policy), "deny", { packets, bytes: packets });
  };
  const now = () => Object.fromEntries([...totals.series()].map(({ policy, packets }) => [policy, packets]));
  take({ a: 10, b: 5, c: 1 });
  expect(now()).toEqual({ a: 10, b: 5, other: 1 });
  take({ a: 0, b: 0, c: 8 });
  expect(now(), "not twice as much").toEqual({ a: 10, b: 5, other: 9 });
  take({ a: 0, b: 0, c: 3 });
  expect(now()).toEqual({ a: 10, c: 3, other: 9 });
  totals.choose(new Set(["b", "c"]), growth({}));
  totals.add(ingress("b"), "deny", { packets: 1, bytes: 1 });
  expect(now()).toEqual({ b: 1, c: 3, other: 9 });
});

test("a hundred thousand policies make no more series than were asked for", () => {
  const totals = new TopTotals(200);
  const names = Array.from({ length: 100_000 }, (_, n) => `gnp/${n}`);
  totals.choose(new Set(names), new Map());
  for (const name of names) totals.add(ingress(name), "deny", { packets: 1, bytes: 1 });
  const series = [...totals.series()];
  expect(series).toHaveLength(201);
  expect(series.reduce((sum, { packets }) => sum + packets, 0)).toBe(100_000);
});

test("a reading that fails is told and leaves the totals, and one at a time is under way", async () => {
  const state = render(smallPlan, defaultRenderOptions);
  const source = iptablesCounters({ host: new LinuxHost(), print: printTable });
  const { marks } = defaultRenderOptions;
  const [place = ""] = [...countedRules(state, source, marks)].find(([, { action }]) => action === "allow") ?? [];
  let [now, readings, answer] = [0, 0, async (): Promise<readonly RuleCounter[]> => []];
  const told: string[] = [];
  const registry = new Registry();
  new PolicyCounters(registry, {
    ...{
      mostPolicies: 200,
      marks: () => marks,
      inForce: () => state,
      clock: { monotonicNow: () => now },
    },
    source: () => ({
      ...source,
      read: () => {
        readings++;
        return answer();
      },
    }),
    logger: pino({}, { write: (line: string) => told.push(JSON.parse(line).msg) }),
  });
  const packets = async () => {
    now += 10_000;
    const text = await registry.metrics();
    return /^margay_policy_packets_total\{.*action="allow"\} (\d+)$/m.exec(text)?.[1];
  };
  answer = async () => [{ place, instance: "", packets: 7, bytes: 70 }];
  expect(await packets()).toBe("7");
  expect(readings, "packets and bytes are one reading").toBe(1);
  answer = () => Promise.reject(new Error("no memory"));
  expect(await packets()).toBe("7");
  expect(told).toEqual(["cannot read how much traffic policies have decided"]);
  answer = async () => [{ place, instance: "", packets: 9, bytes: 90 }];
  expect(await packets()).toBe("9");
  answer = async () => [{ place, instance: "", packets: 1, bytes: 10 }];
  expect(await packets(), "written anew").toBe("10");
});
