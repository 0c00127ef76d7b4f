import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { NodeName } from "../../../../src/api/names.ts";
import type { NodePlan, PolicyId, PolicyPlan } from "../../../../src/felix/calc/plan.ts";
import type { DesiredState } from "../../../../src/felix/render/desired-state.ts";
import { printTable } from "../../../../src/felix/render/iptables.ts";
import { defaultRenderOptions, type RenderOptions } from "../../../../src/felix/render/options.ts";
import { render } from "../../../../src/felix/render/render.ts";
import { parseIp } from "../../../../src/net/ip.ts";
import { calculate } from "../../../oracle/planners.ts";
import { cluster } from "../../../oracle/random-cluster.ts";
import { nodes } from "../../../oracle/random-pods.ts";
import { hostPlan } from "../host-plan.ts";
import { smallPlan } from "../small-plan.ts";
import { floatingPlan, otherOptions } from "./options-states.ts";

const [web] = smallPlan.endpoints.values();
const policy = hostPlan.policies.get("gnp/icmp" as PolicyId);

describe.for(["iptables", "nftables"] as const)("one plan after the other, %s", (backend) => {
  test("each comes to what it would come to alone", { timeout: 60_000 }, () => {
    const clusters = fc.sample(cluster, { numRuns: 40, seed: 7 });
    const plans = clusters.flatMap((one) => nodes.map((node) => calculate(one, node as NodeName)));
    for (const options of [
      { ...defaultRenderOptions, backend },
      { ...otherOptions, backend },
    ]) {
      for (const plan of [...plans.flatMap(mixed), floatingPlan, smallPlan, floatingPlan]) {
        expect(sorted(render(plan, options))).toEqual(sorted(render(plan, { ...options })));
      }
    }
  });

  test("what throws spoils nothing that comes after it", () => {
    const options: RenderOptions = { ...defaultRenderOptions, backend };
    render(hostPlan, options);
    expect(() => render({ ...hostPlan, policies: new Map() }, options)).toThrow("is not in the plan");
    expect(sorted(render(smallPlan, options))).toEqual(sorted(render(smallPlan, { ...options })));
    const [first, last] = [...smallPlan.policies.values()] as [PolicyPlan, PolicyPlan];
    const planWith = (...policies: readonly PolicyPlan[]) => {
      return { ...smallPlan, policies: new Map(policies.map((one) => [one.id, one])) };
    };
    const edited = { ...first, ingress: [] };
    const broken = { ...last, egress: undefined as never };
    expect(() => render(planWith(edited, broken), options)).toThrow();
    const mended = planWith(edited, last);
    expect(sorted(render(mended, options))).toEqual(sorted(render(mended, { ...options })));
  });

  test("a policy that is edited changes its own chains, and no set, map, route or other table", () => {
    const options: RenderOptions = { ...defaultRenderOptions, backend };
    const before = render(floatingPlan, options);
    const edited = { ...(policy as NonNullable<typeof policy>), ingress: [], egress: [] };
    const after = render(
      { ...floatingPlan, policies: new Map([...floatingPlan.policies, [edited.id, edited]]) },
      options,
    );
    expect(
      [after.sets, after.routes, after.shapings].map(
        (one, i) => one === [before.sets, before.routes, before.shapings][i],
      ),
    ).toEqual([true, true, true]);
    const changed = [...after.tables].filter(([key, table]) => before.tables.get(key) !== table);
    expect(changed.map(([key]) => key)).toEqual(["4/filter", "6/filter"]);
    for (const [key, { chains, hooks, maps }] of changed) {
      const earlier = before.tables.get(key);
      const other = [...chains].filter(([name, rules]) => earlier?.chains.get(name) !== rules).map(([name]) => name);
      expect(
        other.every((name) => /^cali-p[io]-/.test(name)),
        other.join(" "),
      ).toBe(true);
      expect(hooks).toBe(earlier?.hooks);
      for (const [name, map] of maps ?? []) expect(map).toBe(earlier?.maps?.get(name));
    }
  });

  test("an endpoint that comes adds its chains, and what leads to them", () => {
    const options: RenderOptions = { ...defaultRenderOptions, backend };
    const before = render(hostPlan, options);
    const coming = { ...(web as NonNullable<typeof web>), hostInterface: "cali9", addresses: [parseIp("192.168.1.9")] };
    const after = render({ ...hostPlan, endpoints: new Map([...hostPlan.endpoints, ["cali9", coming]]) }, options);
    const [earlier, later] = [before, after].map((one) => one.tables.get("4/filter"));
    const changed = [...(later?.chains ?? [])].filter(([name, rules]) => earlier?.chains.get(name) !== rules);
    const names = changed.map(([name]) => name).toSorted();
    const own = ["cali-fw-cali9", "cali-tw-cali9"];
    const trees = ["cali-from-wl-dispatch", "cali-from-wl-dispatch-9", "cali-to-wl-dispatch", "cali-to-wl-dispatch-9"];
    expect(names).toEqual(backend === "iptables" ? [...trees, ...own].toSorted() : own);
    const targets = later?.maps?.get("cali-from-wl-dispatch")?.targets.get("cali9");
    expect(targets).toBe(backend === "iptables" ? undefined : "cali-fw-cali9");
    expect(after.tables.get("4/mangle")).toBe(before.tables.get("4/mangle"));
    // Both families have the very same, which is printed once.
    for (const name of names) expect(after.tables.get("6/filter")?.chains.get(name)).toBe(later?.chains.get(name));
    const [rules, rulesBefore] = [later, earlier].map((one) => one?.chains.get("cali-from-wl-dispatch"));
    for (const rule of rulesBefore ?? []) expect(rules).toContain(rule);
  });
});

test("a plan that is the same comes to the same tables, which are printed once", () => {
  const options = { ...defaultRenderOptions };
  const [first, second] = [render(hostPlan, options), render({ ...hostPlan }, options)];
  for (const [key, table] of first.tables) {
    expect(second.tables.get(key)).toBe(table);
    expect(printTable(table)).toBe(printTable(table));
  }
});

// --- internal ---

/** The plan itself, and parts of it with parts of another. */
function mixed(plan: NodePlan): readonly NodePlan[] {
  return [
    plan,
    { ...plan, hostEndpoints: new Map() },
    { ...plan, endpoints: new Map([...plan.endpoints].slice(1)) },
    plan,
  ];
}

function sorted({ sets, tables, routes, shapings }: DesiredState): unknown {
  const byName = <V>(map: ReadonlyMap<string, V>) => [...map].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const ofTables = byName(tables).map(([key, { chains, hooks, maps = new Map<string, never>() }]) => {
    return [key, byName(chains), byName(hooks), byName(maps)];
  });
  return [byName(sets), ofTables, byName(routes), byName(shapings)];
}
