import { expect, test } from "vitest";
import type { DesiredState } from "../../../../src/felix/render/desired-state.ts";
import { defaultRenderOptions } from "../../../../src/felix/render/options.ts";
import { toHost } from "../../../oracle/simulate-rules.ts";
import { allow, deny, stateOf, tcp } from "./host-states.ts";

test("of many interfaces each finds its host endpoint, also where their names have no room for a branch", () => {
  for (const prefix of ["vlan", "a-long-prefix."]) {
    const names = Array.from({ length: 12 }, (_, index) => `${prefix}${String.fromCharCode(97 + index)}`);
    const state = stateOf(
      Object.fromEntries(
        names.map((name, index) => [name, { normal: { ingress: index % 2 === 0 ? allow : deny, egress: allow } }]),
      ),
    );
    const verdictOf = (name: string) => toHost(state, tcp(), name).verdict;
    expect(names.map(verdictOf)).toEqual(names.map((_, index) => (index % 2 === 0 ? "accept" : "drop")));
    expect(verdictOf(`${prefix}z`)).toBe("untouched");
    const matched = [...(state.tables.get("4/filter")?.chains.values() ?? [])].flat().flatMap(({ matches }) => matches);
    for (const match of matched) if ("name" in match) expect(match.name.length, match.name).toBeLessThanOrEqual(15);
    const isTree = chainNames(state).includes("cali-from-host-endpoint-c");
    expect(isTree).toBe(prefix === "vlan");
  }
});

test.for(["iptables", "nftables"] as const)(
  "what has a host endpoint of its own has not that of every interface, %s",
  (backend) => {
    const both = { ingress: allow, egress: allow };
    const hosts = {
      "*": { preDnat: deny, normal: both },
      eth0: { normal: both },
      eth1: { preDnat: deny, normal: both },
    };
    const state = stateOf(hosts, {}, { ...defaultRenderOptions, backend });
    expect(["eth0", "eth1", "eth9"].map((name) => toHost(state, tcp(), name).verdict)).toEqual([
      "accept",
      "drop",
      "drop",
    ]);
  },
);

test("an interface whose name cannot be said in a rule does not keep the others from their policy", () => {
  const state = stateOf({
    "eth+": { normal: { ingress: deny, egress: deny } },
    eth0: {},
    'a"b': {},
    "no-more-than-15-": {},
  });
  expect(toHost(state, tcp(), "eth0").verdict).toBe("drop");
  expect(toHost(state, tcp(), "eth1").verdict).toBe("untouched");
});

// --- internal ---

function chainNames({ tables }: DesiredState): readonly string[] {
  return [...tables.values()].flatMap(({ chains }) => [...chains.keys()]);
}
