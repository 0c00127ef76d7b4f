import { expect, test } from "vitest";
import type { EndpointPlan, NodePlan, PolicyId, SetId } from "../../../../src/felix/calc/plan.ts";
import type { DesiredState, Rule } from "../../../../src/felix/render/desired-state.ts";
import { defaultRenderOptions } from "../../../../src/felix/render/options.ts";
import { render } from "../../../../src/felix/render/render.ts";
import { parseCidr } from "../../../../src/net/cidr.ts";
import { parseIp } from "../../../../src/net/ip.ts";
import { forwarded, fromHost, type Packet, toHost } from "../../../oracle/simulate-rules.ts";
import { hostPlan } from "../host-plan.ts";
import { stateText } from "../restore-text.ts";
import { policyOf, smallPlan } from "../small-plan.ts";

const state = render(smallPlan, defaultRenderOptions);
// Options of its own: the order of chains is then that of the plan.
const withHosts = render(hostPlan, { ...defaultRenderOptions });
const [open, shut] = ["cali0a1b2c3d4e5", "calif9b2c3d4e55"];

test("the text of a small plan", async () => {
  await expect(stateText(state)).toMatchFileSnapshot("../../../golden/felix-small-plan.golden");
});

test("the text of a plan with host endpoints", async () => {
  await expect(stateText(withHosts)).toMatchFileSnapshot("../../../golden/felix-host-plan.golden");
});

test.for([state, withHosts])("nothing of one family is in the tables or sets of the other", (state) => {
  for (const table of state.tables.values()) {
    const own = `cali${table.version}0`;
    for (const rule of [...table.chains.values()].flat()) {
      for (const match of rule.matches) {
        if (match.kind === "net") expect(match.net.includes(":")).toBe(table.version === 6);
        if (match.kind === "set") expect(match.set.startsWith(own)).toBe(true);
        if (match.kind === "port-set") expect(match.set.startsWith(own)).toBe(true);
      }
    }
  }
  for (const set of state.sets.values()) {
    for (const member of set.members) expect(member.split(",")[0]?.includes(":")).toBe(set.version === 6);
  }
});

test("one family alone", () => {
  const only = render(smallPlan, { ...defaultRenderOptions, versions: [6] });
  expect([...only.tables.keys()]).toEqual(["6/raw", "6/nat", "6/filter"]);
  expect([...only.sets.values()].every(({ version }) => version === 6)).toBe(true);
  expect([...only.routes.keys()]).toEqual(["fd00:1::1/128"]);
});

test("a family that is not wanted gets nothing", () => {
  const without = render(smallPlan, { ...defaultRenderOptions, versions: [4] });
  expect([...without.tables.keys()]).toEqual(["4/raw", "4/nat", "4/filter"]);
  expect([...without.routes.keys()].filter((destination) => destination.includes(":"))).toEqual([]);
  expect([...without.sets.values()].every(({ version }) => version === 4)).toBe(true);
});

test("a set has room for what is in it, however much that is", { timeout: 60_000 }, () => {
  const id = "s:many" as SetId;
  const roomFor = (count: number) => {
    const members = new Set(
      Array.from({ length: count }, (_, n) => parseIp(`fd00::${hex(n >>> 16)}:${hex(n & 0xffff)}`)),
    );
    const plan = { ...smallPlan, sets: new Map([[id, { kind: "addresses", id, members } as const]]) };
    return render(plan, { ...defaultRenderOptions, versions: [6] }).sets.get("cali60s:many")?.maxElements;
  };
  expect(roomFor(1)).toBe(1_048_576);
  expect(roomFor(1_048_577)).toBe(2_097_152);
});

test("every jump has its chain, every set is there, and every name fits the kernel", () => {
  const long = "knp/a-namespace/with a policy name that is too long, and not a name at all" as PolicyId;
  const direction = { tiers: [{ name: "t", policies: [long], endAction: "deny" }], profile: "allow" } as const;
  const asking = { ...endpointAt("cali0", "10.0.0.1"), ingress: direction, egress: direction };
  const plan = {
    ...hostPlan,
    endpoints: new Map([...hostPlan.endpoints, ["cali0", asking]]),
    policies: new Map([[long, policyOf(long)], ...hostPlan.policies]),
  };
  const { tables, sets } = render(plan, defaultRenderOptions);
  expect([...(tables.get("4/filter")?.chains.keys() ?? [])].filter((name) => /^cali-p[io]-_/.test(name))).toHaveLength(
    3,
  );
  for (const { chains, hooks } of tables.values()) {
    for (const name of chains.keys()) expect(name).toMatch(/^cali-[A-Za-z0-9_./-]{1,23}$/);
    const rules = [...chains.values(), ...[...hooks.values()].flatMap((hook) => [hook.inserted, hook.appended])].flat();
    for (const { matches, action } of rules) {
      if ("chain" in action) expect([...chains.keys()]).toContain(action.chain);
      for (const match of matches) if ("set" in match) expect([...sets.keys()]).toContain(match.set);
    }
  }
  for (const name of sets.keys()) expect(name.length).toBeLessThanOrEqual(31);
});

test("an endpoint's known connections go on and invalid packets stop, and a closed one has none", () => {
  const packet = { ...tcp("192.168.1.1", "192.168.1.3"), state: "ESTABLISHED" as const };
  expect(forwarded(state, { ...packet, destination: parseIp("10.9.9.9") }, open).verdict).toBe("accept");
  expect(forwarded(state, { ...packet, state: "INVALID" }, open).verdict).toBe("drop");
  const back = { ...tcp("192.168.1.3", "10.9.9.9"), state: "ESTABLISHED" as const };
  expect(forwarded(state, back, shut).verdict).toBe("drop");
  expect(forwarded(state, { ...back, source: back.destination, destination: back.source }, "eth0").verdict).toBe(
    "drop",
  );
});

test("a known connection reaches another endpoint of the node, unless that one is closed", () => {
  const packet = { ...tcp("192.168.1.1", "192.168.1.2"), state: "ESTABLISHED" as const };
  expect(forwarded(state, packet, open).verdict).toBe("accept");
  expect(forwarded(state, { ...packet, destination: parseIp("192.168.1.3") }, open).verdict).toBe("drop");
});

test.for(["accept", "drop", "return"] as const)(
  "what the node has opened goes on with the action %s for itself",
  (endpointToHostAction) => {
    const changed = render(openTo("deny"), { ...defaultRenderOptions, endpointToHostAction });
    const answer = { ...tcp("192.168.1.1", "172.16.0.1"), state: "ESTABLISHED" as const };
    expect(toHost(changed, answer, open).verdict).toBe("accept");
  },
);

test.for([
  ["192.168.1.1", "172.16.0.2"],
  ["fd00:1::1", "fd01::1"],
] as const)("a workload does not speak BGP as its node: %s to %s", ([source, neighbour]) => {
  const changed = render(openTo("allow"), defaultRenderOptions);
  const bgp = { ...tcp(source, neighbour), destinationPort: 179 };
  expect(forwarded(changed, bgp, open).verdict).toBe("drop");
  expect(forwarded(changed, { ...bgp, state: "ESTABLISHED" }, open).verdict).toBe("drop");
  expect(forwarded(changed, { ...bgp, destinationPort: 180 }, open).verdict).toBe("accept");
  expect(forwarded(changed, { ...bgp, protocol: 17 }, open).verdict).toBe("accept");
  const elsewhere = parseIp(neighbour.includes(":") ? "2001:db8::1" : "203.0.113.1");
  expect(forwarded(changed, { ...bgp, destination: elsewhere }, open).verdict).toBe("accept");
  // Between the neighbours themselves it is not ours to judge.
  expect(forwarded(changed, { ...bgp, source: elsewhere }, "eth0").verdict).toBe("untouched");
});

test("a workload does not speak BGP as its node by any port on which a neighbour waits, however many there are", () => {
  const bgpPorts = [179, ...Array.from({ length: 40 }, (_, index) => 1790 + index)];
  const changed = render(openTo("allow"), { ...defaultRenderOptions, bgpPorts });
  const bgp = tcp("192.168.1.1", "172.16.0.2");
  for (const destinationPort of bgpPorts) {
    expect(forwarded(changed, { ...bgp, destinationPort }, open).verdict).toBe("drop");
  }
  expect(forwarded(changed, { ...bgp, destinationPort: 1830 }, open).verdict).toBe("accept");
});

test.for([
  [true, { protocol: 17, destinationPort: 4789 }],
  [true, { protocol: 4 }],
  [false, { protocol: 17, destinationPort: 4790 }],
  [false, { protocol: 6, destinationPort: 4789 }],
] as const)("a workload makes no tunnels unless it may: %o", ([isTunnel, said]) => {
  const { sourcePort: _, destinationPort: __, ...ends } = tcp("192.168.1.1", "203.0.113.1");
  const packet = said.protocol === 4 ? { ...ends, ...said } : { ...ends, sourcePort: 40_000, ...said };
  const plan = openTo("allow");
  const verdictsWith = (more: object) => {
    const changed = render(plan, { ...defaultRenderOptions, ...more });
    return [forwarded(changed, packet, open).verdict, toHost(changed, packet, open).verdict];
  };
  const [shut, free] = [
    ["drop", "drop"],
    ["accept", "accept"],
  ];
  expect(verdictsWith({})).toEqual(isTunnel ? shut : free);
  expect(verdictsWith({ allowFromWorkloads: { vxlan: true, ipip: true } })).toEqual(free);
  expect(verdictsWith({ allowFromWorkloads: { vxlan: true, ipip: false } })).toEqual(said.protocol === 4 ? shut : free);
  if (said.protocol === 17) expect(verdictsWith({ vxlanPort: 4790 })).toEqual(isTunnel ? free : shut);
});

test("a set holds each member once, every network in two halves, and ports only of protocols that sets know", () => {
  const membersOf = (name: string) => [...(withHosts.sets.get(name)?.members ?? [])];
  expect(membersOf("cali40s:TrCdEfGhIjKlMnOpQrStUvW")).toEqual(["10.0.0.7", "0.0.0.0/1", "128.0.0.0/1"]);
  expect(membersOf("cali60s:TrCdEfGhIjKlMnOpQrStUvW")).toEqual(["fd00::7", "::/1", "8000::/1", "2001:db8::/32"]);
  expect(membersOf("cali40n:AbCdEfGhIjKlMnOpQrStUvW")).toEqual([
    "10.0.0.1,tcp:80",
    "10.0.0.1,sctp:81",
    "10.0.0.2,udplite:82",
  ]);
  expect(membersOf("cali60n:AbCdEfGhIjKlMnOpQrStUvW")).toEqual(["fd00::1,udp:53"]);
  const types = [...withHosts.sets.values()]
    .filter(({ type }) => type === "hash:ip,port")
    .map(({ name }) => name.slice(0, 6));
  expect(types).toEqual(["cali40", "cali40", "cali60", "cali60"]);
});

test("a workload does not reach the loopback addresses of its node", () => {
  const changed = render(openTo("allow"), defaultRenderOptions);
  expect(toHost(changed, tcp("192.168.1.1", "127.0.0.1"), open).verdict).toBe("drop");
  expect(toHost(changed, tcp("192.168.1.1", "127.255.0.1"), open).verdict).toBe("drop");
  expect(toHost(changed, tcp("192.168.1.1", "128.0.0.1"), open).verdict).toBe("accept");
  expect(toHost(changed, tcp("127.0.0.1", "127.0.0.1"), "lo").verdict).toBe("untouched");
});

test("a workload does not advertise itself as a router or redirect its node, whatever its policy", () => {
  const changed = render(openTo("allow"), defaultRenderOptions);
  const message = {
    source: parseIp("fd00:1::1"),
    destination: parseIp("ff02::1"),
    protocol: 58,
    state: "NEW",
  } as const;
  const verdictOf = (icmpType: number) => toHost(changed, { ...message, icmpType }, open).verdict;
  expect([134, 137, 128].map(verdictOf)).toEqual(["drop", "drop", "accept"]);
});

test("a packet that only passes through the node is left to the rules of others, whatever its mark", () => {
  const transit = { ...tcp("203.0.113.1", "203.0.113.2"), mark: 0xffffff };
  expect(forwarded(state, transit, "eth0").verdict).toBe("untouched");
});

test("a workload's neighbour discovery reaches its node whatever its policy", () => {
  const solicitation: Packet = {
    source: parseIp("fd00:1::1"),
    destination: parseIp("fe80::1"),
    protocol: 58,
    icmpType: 135,
    state: "NEW",
  };
  expect(toHost(state, solicitation, open).verdict).toBe("accept");
  expect(toHost(state, { ...solicitation, icmpType: 128 }, open).verdict).toBe("drop");
});

test.for([
  ["accept", "accept"],
  ["drop", "drop"],
  ["return", "untouched"],
] as const)("with the action %s for its own node a workload's packet meets %s", ([endpointToHostAction, verdict]) => {
  const changed = render(openTo("allow"), { ...defaultRenderOptions, endpointToHostAction });
  expect(toHost(changed, tcp("192.168.1.1", "172.16.0.1"), open).verdict).toBe(verdict);
});

test("only what leaves all pools for elsewhere is masqueraded, and only from pools that ask for it", () => {
  const plan = { ...openTo("allow"), pools: [parseCidr("192.168.0.0/16"), parseCidr("10.1.0.0/16")] };
  const masqueraded = (source: string, destination: string) =>
    fromHost(render(plan, defaultRenderOptions), tcp(source, destination)).masqueraded;
  expect(masqueraded("192.168.7.7", "203.0.113.1")).toBe(true);
  expect(masqueraded("192.168.7.7", "10.1.2.3")).toBe(false);
  expect(masqueraded("192.168.7.7", "192.168.9.9")).toBe(false);
  expect(masqueraded("10.1.2.3", "203.0.113.1")).toBe(false);
});

test("an address that two endpoints hold goes to the open one, and of equals to the first", () => {
  const [a, b, c] = ["cali1", "cali2", "cali3"].map((name) => endpointAt(name, "192.168.1.9")) as Three;
  const destinationOf = (...all: EndpointPlan[]) => routeTo(all, "192.168.1.9/32");
  expect(destinationOf({ ...a, state: "closed" }, b, c)).toBe("cali2");
  expect(destinationOf(c, b)).toBe("cali2");
  expect(destinationOf({ ...a, state: "closed" })).toBe("cali1");
});

test("with many endpoints dispatch is a tree, and each packet finds its endpoint", () => {
  const names = Array.from({ length: 64 }, (_, index) => `cali${index.toString(16).padStart(2, "0")}`);
  const endpoints = names.map((name, index) => endpointAt(name, `10.0.0.${index + 1}`));
  const many = render(planOf(endpoints), defaultRenderOptions);
  const chains = many.tables.get("4/filter")?.chains ?? new Map<string, readonly Rule[]>();
  expect(chains.get("cali-from-wl-dispatch")).toHaveLength(5);
  expect(chains.get("cali-from-wl-dispatch-2")).toHaveLength(17);
  for (const [index, name] of names.entries()) {
    const verdict = forwarded(many, tcp(`10.0.0.${index + 1}`, "203.0.113.1"), name).verdict;
    expect(verdict, name).toBe(index % 2 === 0 ? "accept" : "drop");
  }
});

test("what is the same object in two plans is rendered once", () => {
  const [first, , last] = smallPlan.endpoints;
  const others = [first, last].filter((one) => one !== undefined);
  const fewer = render({ ...smallPlan, endpoints: new Map(others) }, defaultRenderOptions);
  const chainIn = (one: DesiredState, name: string) => one.tables.get("4/filter")?.chains.get(name);
  for (const name of ["cali-FORWARD", "cali-tw-cali0a1b2c3d4e5", "cali-pi-knp/shop/web-to-db"]) {
    expect(chainIn(fewer, name)).toBeDefined();
    expect(chainIn(fewer, name), name).toBe(chainIn(state, name));
  }
});

// --- internal ---

function hex(number: number): string {
  return number.toString(16);
}

type Three = [EndpointPlan, EndpointPlan, EndpointPlan];

function tcp(source: string, destination: string): Packet {
  return {
    source: parseIp(source),
    destination: parseIp(destination),
    protocol: 6,
    sourcePort: 40000,
    destinationPort: 443,
    state: "NEW",
  };
}

/** The small plan with its first endpoint's egress decided by the profile alone. */
function openTo(profile: "allow" | "deny"): NodePlan {
  const addresses = ["192.168.1.1", "fd00:1::1"].map(parseIp);
  const endpoint = { ...endpointAt(open, "192.168.1.1"), addresses, egress: { tiers: [], profile } };
  return { ...smallPlan, endpoints: new Map([[open, endpoint]]) };
}

/** Allows everything out when the last byte of its address is odd. */
function endpointAt(hostInterface: string, address: string): EndpointPlan {
  const profile = Number(address.split(".").at(-1)) % 2 === 1 ? "allow" : "deny";
  const direction = { tiers: [], profile } as const;
  return { hostInterface, addresses: [parseIp(address)], state: "open", ingress: direction, egress: direction };
}

function planOf(endpoints: readonly EndpointPlan[]): NodePlan {
  return { ...smallPlan, endpoints: new Map(endpoints.map((endpoint) => [endpoint.hostInterface, endpoint])) };
}

function routeTo(endpoints: readonly EndpointPlan[], destination: string): string | undefined {
  return render(planOf(endpoints), defaultRenderOptions).routes.get(parseCidr(destination))?.hostInterface;
}
