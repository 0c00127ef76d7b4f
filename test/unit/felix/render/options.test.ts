import { describe, expect, test } from "vitest";
import type { EndpointPlan, NodePlan } from "../../../../src/felix/calc/plan.ts";
import type { Rule } from "../../../../src/felix/render/desired-state.ts";
import { defaultRenderOptions, type RenderOptions } from "../../../../src/felix/render/options.ts";
import { render } from "../../../../src/felix/render/render.ts";
import { parseCidr } from "../../../../src/net/cidr.ts";
import { parseIp } from "../../../../src/net/ip.ts";
import { forwarded, fromHost, toHost } from "../../../oracle/simulate-rules.ts";
import { hostPlan } from "../host-plan.ts";
import { stateText } from "../restore-text.ts";
import { smallPlan } from "../small-plan.ts";
import { floating, floatingPlan, otherOptions, tcp } from "./options-states.ts";

const shut = "calif9b2c3d4e55";
const outside = "198.51.100.7";

test("the text of a plan with every option in another form", async () => {
  await expect(stateText(render(floatingPlan, { ...otherOptions }))).toMatchFileSnapshot(
    "../../../golden/felix-options.golden",
  );
});

describe.for(["iptables", "nftables"] as const)("options of %s", (backend) => {
  const stateWith = (more: Partial<RenderOptions>, plan: NodePlan = openPlan) =>
    render(plan, { ...defaultRenderOptions, backend, ...more });

  test("what is denied is rejected in filter, and dropped where nothing can be rejected", () => {
    const state = stateWith({ denyAction: "reject" }, hostPlan);
    expect(forwarded(state, tcp("192.168.1.3", outside), shut).verdict).toBe("reject");
    expect(forwarded(state, tcp("192.168.1.9", outside), "cali9").verdict).toBe("drop");
    const elsewhere = [...state.tables.values()].filter(({ name }) => name !== "filter").flatMap(rulesOf);
    expect(elsewhere.filter(({ action }) => action.kind === "reject")).toEqual([]);
    expect(elsewhere.some(({ action }) => action.kind === "drop")).toBe(true);
    const inFilter = [...state.tables.values()].filter(({ name }) => name === "filter").flatMap(rulesOf);
    const dropping = inFilter.filter(({ action }) => action.kind === "drop").map(({ comment }) => comment);
    expect(new Set(dropping)).toEqual(
      new Set(["Workloads do not speak BGP as their node", "Workloads are no routers"]),
    );
    expect(inFilter.filter(({ comment = "" }) => comment.startsWith("Drop if") || comment.includes(". Drop"))).toEqual(
      [],
    );
  });

  test.for([
    ["reject", "reject"],
    ["return", "untouched"],
  ] as const)("what is for the node itself meets %s", ([endpointToHostAction, verdict]) => {
    expect(toHost(stateWith({ endpointToHostAction }), tcp("192.168.1.1", "172.16.0.1"), floating).verdict).toBe(
      verdict,
    );
  });

  test("what is allowed returns to the rules behind ours, with the accept bit", () => {
    const state = stateWith({ allowAction: { filter: "return", mangle: "return" } }, hostPlan);
    const inMain = [...state.tables.values()].filter(({ name }) => name === "filter" || name === "mangle");
    const accepting = inMain.flatMap(({ name, chains, hooks }) =>
      [...chains, ...[...hooks].map(([hook, { inserted, appended }]) => [hook, [...inserted, ...appended]] as const)]
        .filter(([, rules]) => rules.some(({ action }) => action.kind === "accept"))
        .map(([chain]) => `${name} ${chain}`),
    );
    expect([...new Set(accepting)].toSorted()).toEqual([
      "filter cali-failsafe-in",
      "filter cali-failsafe-out",
      "filter cali-wl-to-host",
      "mangle cali-failsafe-in",
      "mangle cali-failsafe-out",
    ]);
    const open = stateWith({ allowAction: { filter: "return", mangle: "accept" } });
    expect(forwarded(open, tcp("192.168.1.1", outside), floating).verdict).toBe("untouched");
    expect(forwarded(open, tcp("192.168.1.1", outside, { state: "ESTABLISHED" }), floating).verdict).toBe("untouched");
    expect(forwarded(open, tcp("192.168.1.3", outside), shut).verdict).toBe("drop");
    const known = { matches: [{ kind: "connection", states: ["RELATED", "ESTABLISHED"] }] };
    const { accept } = defaultRenderOptions.marks;
    expect(open.tables.get("4/filter")?.chains.get(`cali-tw-${floating}`)?.slice(0, 2)).toEqual([
      { ...known, action: { kind: "set-mark", value: accept, mask: accept } },
      { ...known, action: { kind: "return" } },
    ]);
  });

  test("in mangle what a host endpoint allows before DNAT is accepted, unless it returns", () => {
    const kindsWith = (mangle: "accept" | "return") =>
      (
        stateWith({ allowAction: { filter: "accept", mangle } }, hostPlan)
          .tables.get("4/mangle")
          ?.chains.get("cali-PREROUTING") ?? []
      )
        .map(({ action }) => action.kind)
        .filter((kind) => kind !== "jump");
    expect(kindsWith("accept")).toEqual(["accept", "accept", "accept"]);
    expect(kindsWith("return")).toEqual(["return", "return", "return"]);
  });

  test("our rules stand behind those of others, where they are appended", () => {
    const hooks = [...stateWith({ hookPlace: "append", floatingIps: true }, hostPlan).tables.values()].flatMap(
      (table) => [...table.hooks],
    );
    expect(hooks.flatMap(([, { inserted }]) => inserted)).toEqual([]);
    for (const [name, { appended }] of hooks)
      expect(appended[0]?.action).toEqual({ kind: "jump", chain: `cali-${name}` });
    const usual = [...stateWith({ floatingIps: true }, hostPlan).tables.values()].flatMap((table) => [...table.hooks]);
    expect(usual.filter(([, { inserted }]) => inserted.length === 0).map(([name]) => name)).toEqual([
      "POSTROUTING",
      "POSTROUTING",
    ]);
  });

  test("packets of no connection go on, if they may", () => {
    const packet = tcp("192.168.1.1", outside, { state: "INVALID" });
    expect(forwarded(stateWith({ allowInvalid: true }), packet, floating).verdict).toBe("accept");
    expect(forwarded(stateWith({ allowInvalid: false }), packet, floating).verdict).toBe("drop");
  });

  test.for(["drop", "reject"] as const)("what is still for a Service meets %s", (action) => {
    const networks = ["10.96.0.0/12", "fd96::/112"].map(parseCidr);
    const state = stateWith({ serviceLoop: { action, networks } });
    expect(forwarded(state, tcp("192.168.1.1", "10.96.0.7"), floating).verdict).toBe(action);
    expect(forwarded(state, tcp(outside, "10.96.0.7"), "eth0").verdict).toBe(action);
    expect(forwarded(state, tcp("2001:db8::9", "fd96::7"), "eth0").verdict).toBe(action);
    const addressedTo = { ip: parseIp("10.96.0.7"), port: 80 };
    expect(forwarded(state, tcp(outside, "192.168.1.1", { addressedTo }), "eth0").verdict).toBe("accept");
    expect(forwarded(state, tcp(outside, "10.112.0.1"), "eth0").verdict).toBe("untouched");
    // A workload that has such an address is no loop.
    const held = { ...openEndpoint, addresses: [parseIp("10.96.0.7")] };
    const holding = { ...openPlan, endpoints: new Map([[floating, held]]) };
    expect(
      forwarded(stateWith({ serviceLoop: { action, networks } }, holding), tcp(outside, "10.96.0.7"), "eth0").verdict,
    ).toBe("accept");
    const none = stateWith({ serviceLoop: { action: "none", networks } });
    expect(forwarded(none, tcp(outside, "10.96.0.7"), "eth0").verdict).toBe("untouched");
  });

  test("pods go out with the address and ports that are configured, each family with its own", () => {
    const ports = { first: 30_000, last: 39_999 };
    const rulesWith = (natOutgoing: RenderOptions["natOutgoing"], version: 4 | 6 = 4) =>
      stateWith({ natOutgoing }).tables.get(`${version}/nat`)?.chains.get("cali-nat-outgoing") ?? [];
    const address = parseIp("198.51.100.1");
    const exclusions = "pools";
    expect(rulesWith({ exclusions }).map(({ action }) => action)).toEqual([{ kind: "masquerade" }]);
    const full = rulesWith({ exclusions, address, ports });
    expect(full.map(({ action }) => action)).toEqual([
      { kind: "source-nat", to: address, ports },
      { kind: "source-nat", to: address, ports },
      { kind: "source-nat", to: address },
    ]);
    expect(
      full.map(({ matches }) => matches.flatMap((one) => (one.kind === "protocol" ? [one.protocol] : []))),
    ).toEqual([[6], [17], []]);
    expect(rulesWith({ exclusions, address, ports }, 6).map(({ action }) => action.kind)).toEqual(
      Array(3).fill("masquerade"),
    );
    const source = (said: Partial<RenderOptions["natOutgoing"]>, uplink: string) =>
      fromHost(stateWith({ natOutgoing: { exclusions, address, ...said } }), tcp("192.168.7.7", outside, { uplink }))
        .source;
    expect(source({}, "eth1")).toBe(address);
    expect(source({ interface: "eth0" }, "eth1")).toBeUndefined();
    expect(source({ interface: "eth+" }, "eth1")).toBe(address);
  });

  test("towards nodes pods keep their address, if nodes are excepted", () => {
    const masquerades = (exclusions: "pools" | "pools-and-hosts") =>
      fromHost(stateWith({ natOutgoing: { exclusions } }), tcp("192.168.7.7", "172.16.0.9")).masqueraded;
    expect(masquerades("pools")).toBe(true);
    expect(masquerades("pools-and-hosts")).toBe(false);
    expect(stateWith({}).sets.has("cali40all-hosts-net")).toBe(false);
  });

  test("routes have the metric and the source of their family", () => {
    const source = { 4: parseIp("172.16.0.1") };
    const { routes } = stateWith({ routes: { metric: { 4: 1024, 6: 1025 }, source } });
    const own = { hostInterface: floating };
    expect(routes.get(parseCidr("192.168.1.1/32"))).toEqual({
      ...own,
      destination: "192.168.1.1/32",
      metric: 1024,
      source: source[4],
    });
    expect(routes.get(parseCidr("fd00:1::1/128"))).toEqual({ ...own, destination: "fd00:1::1/128", metric: 1025 });
    expect(stateWith({}).routes.get(parseCidr("192.168.1.1/32"))).toEqual({ ...own, destination: "192.168.1.1/32" });
  });

  test("every set has the room that is configured", () => {
    const { sets } = stateWith({ maxSetSize: 4096 });
    expect(new Set([...sets.values()].map(({ maxElements }) => maxElements))).toEqual(new Set([4096]));
    const two = render(smallPlan, { ...defaultRenderOptions, backend, maxSetSize: 1 });
    expect(two.sets.get("cali40s:AbCdEfGhIjKlMnOpQrStUvW")?.maxElements).toBe(2);
  });

  describe("floating addresses", () => {
    const open = stateWith({ floatingIps: true }, floatingOnly);

    test("stand for the pod's own from elsewhere, from the node, and for itself", () => {
      const inbound = forwarded(open, tcp(outside, "203.0.113.10"), "eth0");
      expect(inbound).toMatchObject({ verdict: "accept", destination: "192.168.1.1" });
      expect(inbound.source).toBeUndefined();
      expect(fromHost(open, tcp("172.16.0.1", "203.0.113.10")).destination).toBe("192.168.1.1");
      expect(forwarded(open, tcp("2001:db8::9", "2001:db8::10"), "eth0").destination).toBe("fd00:1::1");
      const hairpin = forwarded(open, tcp("192.168.1.1", "203.0.113.10"), floating);
      expect(hairpin).toMatchObject({ verdict: "accept", destination: "192.168.1.1", source: "203.0.113.10" });
      expect(forwarded(open, tcp(outside, "203.0.113.11"), "eth0").destination).toBeUndefined();
    });

    test("are nothing until they are configured", () => {
      const off = stateWith({}, floatingOnly);
      expect([...(off.tables.get("4/nat")?.hooks.keys() ?? [])]).toEqual(["POSTROUTING"]);
      expect(off.routes.has(parseCidr("203.0.113.10/32"))).toBe(false);
      expect(forwarded(off, tcp(outside, "203.0.113.10"), "eth0").destination).toBeUndefined();
    });

    test("are judged as the pod's own, and have a route to it", () => {
      const closed = { ...floatingEndpoint, ingress: { tiers: [], profile: "deny" } as const };
      const state = stateWith({ floatingIps: true }, { ...floatingOnly, endpoints: new Map([[floating, closed]]) });
      expect(forwarded(state, tcp(outside, "203.0.113.10"), "eth0").verdict).toBe("drop");
      expect(open.routes.get(parseCidr("203.0.113.10/32"))?.hostInterface).toBe(floating);
      expect(open.routes.get(parseCidr("2001:db8::10/128"))?.hostInterface).toBe(floating);
    });

    test("of several endpoints lead to each its own", () => {
      const other: EndpointPlan = {
        ...openEndpoint,
        ...{ hostInterface: "cali00", addresses: [parseIp("192.168.1.8")] },
        floatingIps: [{ external: parseIp("203.0.113.8"), internal: parseIp("192.168.1.8") }],
      };
      const endpoints = new Map([...floatingOnly.endpoints, ["cali00", other]]);
      const both = stateWith({ floatingIps: true }, { ...floatingOnly, endpoints });
      const destinationOf = (to: string) => forwarded(both, tcp(outside, to), "eth0").destination;
      expect([destinationOf("203.0.113.8"), destinationOf("203.0.113.10")]).toEqual(["192.168.1.8", "192.168.1.1"]);
      expect(both.routes.get(parseCidr("203.0.113.8/32"))?.hostInterface).toBe("cali00");
    });
  });

  test("what leaves the cluster from an endpoint with a code point has it, and nothing else", () => {
    const state = stateWith({}, { ...floatingOnly, hosts: [parseIp("172.16.0.9"), parseIp("fd01::9")] });
    const dscpOf = (source: string, destination: string) => forwarded(state, tcp(source, destination), floating).dscp;
    expect(dscpOf("192.168.1.1", outside)).toBe(46);
    expect(dscpOf("fd00:1::1", "2001:db8::9")).toBe(46);
    expect(dscpOf("192.168.1.1", "192.168.2.2")).toBeUndefined();
    expect(dscpOf("192.168.1.1", "172.16.0.9")).toBeUndefined();
    expect(fromHost(state, tcp("192.168.1.2", outside)).dscp).toBeUndefined();
    expect([...(state.sets.get("cali40dscp-src-net")?.members ?? [])]).toEqual(["192.168.1.1"]);
    expect([...stateWith({}).tables.keys()].filter((key) => key.endsWith("mangle"))).toEqual([]);
  });
});

// --- internal ---

const direction = { tiers: [], profile: "allow" } as const;

const openEndpoint: EndpointPlan = {
  ...{ hostInterface: floating, addresses: ["192.168.1.1", "fd00:1::1"].map(parseIp), state: "open" },
  ...{ ingress: direction, egress: direction },
};
const closedEndpoint = smallPlan.endpoints.get(shut) as EndpointPlan;

const openPlan: NodePlan = {
  ...smallPlan,
  endpoints: new Map([
    [floating, openEndpoint],
    [shut, closedEndpoint],
  ]),
  hosts: [parseIp("172.16.0.9")],
};

const floatingEndpoint = floatingPlan.endpoints.get(floating) as EndpointPlan;
const floatingOnly: NodePlan = { ...openPlan, endpoints: new Map([[floating, floatingEndpoint]]) };

function rulesOf({ chains }: { readonly chains: ReadonlyMap<string, readonly Rule[]> }): readonly Rule[] {
  return [...chains.values()].flat();
}
