import { expect, test } from "vitest";
import { Dataplane } from "../../../../src/felix/dataplane/dataplane.ts";
import { IptablesRules } from "../../../../src/felix/dataplane/iptables-rules.ts";
import type { Table } from "../../../../src/felix/render/desired-state.ts";
import { printTable } from "../../../../src/felix/render/iptables.ts";
import { LinuxHost } from "../../../../src/host/linux-host.ts";
import type { SetNetlink } from "../../../../src/host/netlink/set-netlink.ts";

const state = { sets: new Map(), tables: new Map(), routes: new Map(), shapings: new Map() };

test("an interface is shaped before its rules open it and its routes lead to it", async () => {
  const calls: string[] = [];
  const driver = (kind: string) => ({
    upsert: async (_all: unknown, asked = "") => void calls.push(`${kind} come ${asked}`.trim()),
    prune: async () => void calls.push(`${kind} go`),
    apply: async () => void calls.push(kind),
    faultsOf: async () => [],
    drift: async () => [],
    forget: () => undefined,
  });
  const prune = async () => {
    calls.push("sets go");
    return [];
  };
  const rules = { ...driver("rules"), prune };
  const dataplane = new Dataplane({ rules, routes: driver("routes"), shapings: driver("shapings") });
  await dataplane.apply(state);
  expect(calls).toEqual(["routes go", "shapings come", "rules", "routes come"]);
  await dataplane.tidy(state);
  expect(calls.splice(0).slice(4)).toEqual(["sets go", "shapings go", "shapings come", "routes come again"]);
  await dataplane.apply({ ...state });
  expect(calls.splice(0).at(-1)).toBe("routes come");
});

test("all that is compared with a state begins to be read while the state is surely in force", () => {
  const begun: string[] = [];
  const never = (what: string) => {
    begun.push(what);
    return new Promise<never>(() => undefined);
  };
  class HangingHost extends LinuxHost {
    override run([program]: Parameters<LinuxHost["run"]>[0]) {
      return never(program);
    }
  }
  // A reading asks it for nothing.
  const sets = {} as SetNetlink;
  const nothing = async () => undefined;
  const dataplane = new Dataplane({
    rules: new IptablesRules({ host: new HangingHost(), sets, print: printTable }),
    routes: { upsert: nothing, prune: nothing, drift: () => never("routes"), forget: () => undefined },
    shapings: { upsert: nothing, prune: nothing, forget: () => undefined },
  });
  const table = (version: 4 | 6): Table => ({ version, name: "filter", chains: new Map(), hooks: new Map() });
  const tables = new Map([["4/filter", table(4)] as const, ["6/filter", table(6)] as const]);
  void dataplane.drift({ ...state, tables });
  expect(begun).toEqual(["ipset", "iptables-save", "ip6tables-save", "routes"]);
});
