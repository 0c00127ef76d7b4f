import fc from "fast-check";
import { expect, test } from "vitest";
import { formatSelector } from "../../../../../src/api/selector/format-selector.ts";
import { compilePolicy } from "../../../../../src/felix/calc/compile/compile-policy.ts";
import type { CompiledPolicy } from "../../../../../src/felix/calc/compiled-policy.ts";
import type { MatchPlan, RulePlan } from "../../../../../src/felix/calc/plan.ts";
import { policyKinds } from "../../../../../src/felix/calc/policy-kinds.ts";
import { cidrVersion } from "../../../../../src/net/cidr.ts";
import { arbitraryPolicy } from "./arbitrary-policies.ts";

/** Runs `check` over what valid policies compile to; those that are staged, and not to be set, compile to nothing. */
function always(check: (policy: CompiledPolicy) => void): void {
  fc.assert(
    fc.property(arbitraryPolicy(), ({ kind, value }) => {
      const policy = compilePolicy(kind, value);
      if (policy !== undefined) check(policy);
      else expect(JSON.stringify(value)).toMatch(/"stagedAction":"(Delete|Learn)"/);
    }),
    { numRuns: 400 },
  );
}

test("a valid policy is never closed", () => {
  always(({ plan }) => expect(plan.problems.join()).not.toContain("cannot be read"));
});

test("the sets are those that the rules name, each with a name of its kind", () => {
  always(({ plan, sets }) => {
    const used = rulesOf(plan).flatMap(({ source, destination }) => [...setsOf(source), ...setsOf(destination)]);
    expect(new Set(used.map(({ id }) => id))).toEqual(new Set(sets.keys()));
    for (const { id, ports } of used) expect(sets.get(id)?.kind).toMatch(ports ? /ports$/ : /addresses$/);
    for (const [id, source] of sets) expect([source.id, id.length <= 25]).toEqual([id, true]);
  });
});

test("the plan stands where the policy does, and says what it applies to", () => {
  always(({ id, tier, appliesTo, plan, sortName, order }) => {
    expect(plan).toMatchObject({ id, tier, selector: formatSelector(appliesTo) });
    const [short, ...rest] = id.split("/");
    const full = policyKinds.find((one) => one.short === short)?.full;
    const name = rest.at(-1);
    expect([sortName, Number.isNaN(order)]).toEqual([`${name}/${rest.slice(0, -1).join("/")}/${full}`, false]);
  });
});

test("a direction has rules only if the policy applies to it, in the object's order", () => {
  always(({ applies, plan }) => {
    for (const direction of ["ingress", "egress"] as const) {
      const origins = plan[direction].map(({ origin }) => origin);
      expect(applies[direction] || origins.length === 0).toBe(true);
      expect(origins).toEqual(origins.toSorted((a, b) => a - b));
    }
  });
});

test("a rule that names networks is for one family, with networks of that family alone", () => {
  always(({ plan }) => {
    for (const { source, destination, ipVersion } of rulesOf(plan)) {
      const lists = [source, destination].flatMap(({ nets, notNets }) => [nets ?? [], notNets ?? []]);
      for (const net of lists.flat()) expect(cidrVersion(net)).toBe(ipVersion);
      for (const { nets } of [source, destination]) expect(nets).not.toEqual([]);
    }
  });
});

test("policies of a namespace and Kubernetes' own apply to workloads alone", () => {
  always(({ id, appliesTo, namespace }) => {
    if (id.startsWith("gnp/") || id.startsWith("sgnp/")) return;
    const text = formatSelector(appliesTo);
    const label = namespace === undefined ? 'orchestrator == "k8s"' : `namespace == "${namespace}"`;
    expect(text).toContain(`projectcalico.org/${label}`);
    expect(text).not.toContain(" || projectcalico.org");
  });
});

test("equal objects compile to equal values, whatever was compiled between", () => {
  fc.assert(
    fc.property(fc.array(arbitraryPolicy(), { minLength: 1, maxLength: 10 }), (policies) => {
      const compileAll = () => policies.map(({ kind, value }) => compilePolicy(kind, structuredClone(value)));
      expect(compileAll()).toEqual(compileAll());
    }),
    { numRuns: 50 },
  );
});

// --- internal ---

function rulesOf({ ingress, egress }: CompiledPolicy["plan"]): readonly RulePlan[] {
  return [...ingress, ...egress];
}

function setsOf({ sets = [], notSets = [], portSets = [], ports, notPorts }: MatchPlan) {
  const named = [...portSets, ...(ports?.sets ?? []), ...(notPorts?.sets ?? [])];
  return [...[...sets, ...notSets].map((id) => ({ id, ports: false })), ...named.map((id) => ({ id, ports: true }))];
}
