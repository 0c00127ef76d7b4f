import { expect, test } from "vitest";
import type { DirectionPlan, EndpointPlan, NodePlan, PolicyId, PolicyPlan } from "../../../../src/felix/calc/plan.ts";
import type { DesiredState, Rule } from "../../../../src/felix/render/desired-state.ts";
import { printTable } from "../../../../src/felix/render/iptables.ts";
import { defaultRenderOptions } from "../../../../src/felix/render/options.ts";
import { render } from "../../../../src/felix/render/render.ts";
import { parseIp } from "../../../../src/net/ip.ts";
import { hostPlan } from "../host-plan.ts";
import { policyOf, ruleOf, smallPlan } from "../small-plan.ts";

const idOf = (name: string) => `gnp/${name}` as PolicyId;
const policyNamed = (name: string, said: Partial<PolicyPlan> = {}) =>
  policyOf(idOf(name), { selector: name.slice(0, 1), staged: name.includes("staged"), ...said });

test("policies of one selector that follow one another are a group, and a staged one parts them", () => {
  const chains = chainsOf(stateOf(["a1", "a2", "b1", "a3", "a4-staged", "a5", "a6", "b2", "b3-staged"]));
  const asked = jumpsOf(chains.get("cali-tw-cali1"));
  const groups = asked.filter((name) => name.startsWith("cali-gi-"));
  expect(asked.map((name) => (groups.includes(name) ? "group" : name))).toEqual([
    "group",
    "cali-pi-gnp/b1",
    "cali-pi-gnp/a3",
    "cali-pi-gnp/a4-staged",
    "group",
    "cali-pi-gnp/b2",
    "cali-pi-gnp/b3-staged",
  ]);
  expect(groups.map((name) => jumpsOf(chains.get(name)))).toEqual([
    ["cali-pi-gnp/a1", "cali-pi-gnp/a2"],
    ["cali-pi-gnp/a5", "cali-pi-gnp/a6"],
  ]);
  for (const name of groups) expect(name).toMatch(/^cali-gi-[A-Za-z0-9_-]{20}$/);
});

test("a group looks at what has been decided before every sixth policy, and at it all before any other", () => {
  const names = Array.from({ length: 11 }, (_, index) => `a${index}`);
  const chains = chainsOf(stateOf(names));
  const [group] = jumpsOf(chains.get("cali-tw-cali1"));
  const kinds = (chains.get(group ?? "") ?? []).map(({ action, matches }) => `${action.kind} ${matches.length}`);
  const block = ["jump 0", "jump 1", "jump 1", "jump 1", "jump 1"];
  expect(kinds).toEqual([...block, "return 1", ...block, "return 1", "jump 0"]);
});

test("a policy's chain is there in the tables and directions in which it is asked, and nowhere else", () => {
  const { tables } = render(hostPlan, defaultRenderOptions);
  const placesOf = (chain: string) =>
    [...tables].filter(([, { chains }]) => chains.has(chain)).map(([key]) => key.replace("4/", ""));
  const inIpv4 = (chain: string) => placesOf(chain).filter((key) => !key.startsWith("6/"));
  expect(inIpv4("cali-pi-gnp/no-tracking")).toEqual(["raw"]);
  expect(inIpv4("cali-pi-gnp/before-dnat")).toEqual(["mangle"]);
  expect(inIpv4("cali-po-gnp/before-dnat")).toEqual([]);
  expect(inIpv4("cali-pi-gnp/passing-through")).toEqual(["filter"]);
  expect(inIpv4("cali-po-gnp/ports")).toEqual(["mangle", "filter"]);
  expect(inIpv4("cali-pi-gnp/ports")).toEqual(["filter"]);
  expect(inIpv4("cali-po-knp/shop/web-to-db")).toEqual([]);
});

test("an endpoint that comes prints no chain of another again, nor do they change that it uses", () => {
  const names = ["a1", "a2", "b1"];
  const plan = planOf(names, ["cali1"]);
  const more = { ...plan, endpoints: new Map([...plan.endpoints, ...planOf(names, ["cali2"]).endpoints]) };
  const hosts = { hostEndpoints: hostPlan.hostEndpoints, policies: new Map([...hostPlan.policies, ...plan.policies]) };
  for (const rest of [{}, hosts]) {
    const before = printed({ ...plan, ...rest });
    const after = printed({ ...more, ...rest });
    const isOfDispatch = (chain: string) => chain.includes("-dispatch");
    expect([...before].filter(([chain, rules]) => !isOfDispatch(chain) && after.get(chain) !== rules)).toEqual([]);
    const isNew = (chain: string) => !before.has(chain) && !isOfDispatch(chain);
    expect([...after.keys()].filter(isNew)).toEqual(["4/filter cali-tw-cali2", "4/filter cali-fw-cali2"]);
  }
});

test("a policy whose selector changes leaves its group, though the endpoint stays as it was", () => {
  const plan = planOf(["a1", "a2"], ["cali1"]);
  expect(jumpsOf(chainsOf(render(plan, defaultRenderOptions)).get("cali-tw-cali1"))).toHaveLength(1);
  const changed = policyNamed("a2", { selector: "other" });
  const next = { ...plan, policies: new Map([...plan.policies, [changed.id, changed]]) };
  expect(jumpsOf(chainsOf(render(next, defaultRenderOptions)).get("cali-tw-cali1"))).toHaveLength(2);
  const staged = policyNamed("a2", { staged: true, ingress: [ruleOf("deny")] });
  const last = { ...plan, policies: new Map([...plan.policies, [staged.id, staged]]) };
  const rules = chainsOf(render(last, defaultRenderOptions)).get("cali-tw-cali1") ?? [];
  expect(rules.filter(({ comment }) => comment === "Return if policy accepted")).toHaveLength(1);
});

test("a policy that changes its rules alone prints its own chain, and no other", () => {
  const plan = planOf(["a1", "a2", "b1"], ["cali1"]);
  const changed = policyNamed("a2", { ingress: [ruleOf("deny")] });
  const before = printed(plan);
  const after = printed({ ...plan, policies: new Map([...plan.policies, [changed.id, changed]]) });
  expect([...after].filter(([chain, rules]) => before.get(chain) !== rules).map(([chain]) => chain)).toEqual([
    "4/filter cali-pi-gnp/a2",
  ]);
});

test("a tier that names a policy that is not there is told of", () => {
  const plan = { ...planOf(["a1"], ["cali1"]), policies: new Map() };
  expect(() => render(plan, defaultRenderOptions)).toThrow(
    "Cannot render the tier default: its policy gnp/a1 is not in the plan",
  );
});

// --- internal ---

const onlyIpv4 = { ...defaultRenderOptions, versions: [4] as const };

/** Endpoints that all ask these policies, by the one selector that each name begins with. */
function planOf(names: readonly string[], hostInterfaces: readonly string[]): NodePlan {
  const ingress: DirectionPlan = {
    tiers: [{ name: "default", policies: names.map(idOf), endAction: "deny" }],
    profile: "allow",
  };
  const endpoints = hostInterfaces.map((hostInterface): EndpointPlan => {
    const egress: DirectionPlan = { tiers: [], profile: "allow" };
    return { hostInterface, addresses: [parseIp("10.0.0.1")], state: "open", ingress: { ...ingress }, egress };
  });
  return {
    ...smallPlan,
    endpoints: new Map(endpoints.map((endpoint) => [endpoint.hostInterface, endpoint])),
    policies: new Map(names.map((name) => [idOf(name), policyNamed(name)])),
  };
}

function stateOf(names: readonly string[]): DesiredState {
  return render(planOf(names, ["cali1"]), defaultRenderOptions);
}

function chainsOf({ tables }: DesiredState): ReadonlyMap<string, readonly Rule[]> {
  return tables.get("4/filter")?.chains ?? new Map();
}

function jumpsOf(rules: readonly Rule[] = []): readonly string[] {
  return rules.flatMap(({ action }) => (action.kind === "jump" ? [action.chain] : []));
}

/** Each chain as it is printed. */
function printed(plan: NodePlan): ReadonlyMap<string, unknown> {
  const { tables } = render(plan, onlyIpv4);
  return new Map(
    [...tables].flatMap(([key, table]) =>
      [...printTable(table).chains].map(([name, rules]) => [`${key} ${name}`, rules] as const),
    ),
  );
}
