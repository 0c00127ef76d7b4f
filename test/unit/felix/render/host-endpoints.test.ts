import { describe, expect, test } from "vitest";
import type { DesiredState } from "../../../../src/felix/render/desired-state.ts";
import { defaultRenderOptions } from "../../../../src/felix/render/options.ts";
import { render } from "../../../../src/felix/render/render.ts";
import { parseCidr } from "../../../../src/net/cidr.ts";
import { parseIp } from "../../../../src/net/ip.ts";
import { forwarded, fromHost, type Packet, toHost } from "../../../oracle/simulate-rules.ts";
import { smallPlan } from "../small-plan.ts";
import { allow, asks, deny, nothing, stateOf, tcp } from "./host-states.ts";

const workload = "cali0a1b2c3d4e5";
const closed = "calif9b2c3d4e55";

describe("without host endpoints", () => {
  const state = render(smallPlan, defaultRenderOptions);

  test("nothing is there that only they need", () => {
    expect(hooksOf(state)).toEqual([
      "raw/PREROUTING",
      "nat/POSTROUTING",
      "filter/INPUT",
      "filter/FORWARD",
      "filter/OUTPUT",
    ]);
    expect(chainNames(state).filter((name) => /host-endpoint|hep|failsafe|-(fh|th)/.test(name))).toEqual([]);
    expect(fromHost(state, tcp()).verdict).toBe("untouched");
    expect(toHost(state, tcp(), "eth0").verdict).toBe("untouched");
  });
});

describe("the normal stage", () => {
  const state = stateOf({ eth0: { normal: { ingress: asks("in", "deny"), egress: asks("out", "deny") } } });

  test("needs neither raw nor what comes before DNAT", () => {
    expect(hooksOf(state)).toEqual([
      "raw/PREROUTING",
      "mangle/POSTROUTING",
      "nat/POSTROUTING",
      "filter/INPUT",
      "filter/FORWARD",
      "filter/OUTPUT",
    ]);
  });

  test("judges what the node's processes receive and send, and lets known connections and failsafes be", () => {
    expect(toHost(state, tcp({ destinationPort: 80 }), "eth0").verdict).toBe("accept");
    expect(toHost(state, tcp({ destinationPort: 81 }), "eth0").verdict).toBe("drop");
    expect(toHost(state, tcp({ destinationPort: 81, state: "ESTABLISHED" }), "eth0").verdict).toBe("accept");
    expect(toHost(state, tcp({ destinationPort: 80, state: "INVALID" }), "eth0").verdict).toBe("drop");
    expect(toHost(state, tcp({ destinationPort: 22 }), "eth0").verdict).toBe("accept");
    expect(toHost(state, tcp({ destinationPort: 22, protocol: 17 }), "eth0").verdict).toBe("drop");
    expect(fromHost(state, tcp({ destinationPort: 443 })).verdict).toBe("accept");
    expect(fromHost(state, tcp({ destinationPort: 80 })).verdict).toBe("drop");
    expect(fromHost(state, tcp({ destinationPort: 53, protocol: 17 })).verdict).toBe("accept");
    expect(fromHost(state, tcp({ destinationPort: 22 })).verdict).toBe("drop");
  });

  test("has no say in other interfaces, in what passes through, and between the node and its workloads", () => {
    expect(toHost(state, tcp({ destinationPort: 81 }), "eth1").verdict).toBe("untouched");
    expect(fromHost(state, tcp({ uplink: "eth1" })).verdict).toBe("untouched");
    expect(forwarded(state, tcp({ uplink: "eth1" }), "eth2").verdict).toBe("untouched");
    expect(fromHost(state, tcp({ destination: parseIp("192.168.1.1") })).verdict).toBe("untouched");
  });

  test("judges what the node sends to a Service by where it goes, and not what comes from elsewhere", () => {
    const service = { addressedTo: { ip: parseIp("10.96.0.1"), port: 443 } };
    expect(fromHost(state, tcp({ ...service, destinationPort: 443 })).verdict).not.toBe("drop");
    expect(fromHost(state, tcp({ ...service, destinationPort: 8443 })).verdict).toBe("drop");
    expect(fromHost(state, tcp({ ...service, destinationPort: 6443 })).verdict).not.toBe("drop");
    const toPod = { ...service, destination: parseIp("192.168.1.1"), destinationPort: 8443 };
    expect(fromHost(state, tcp(toPod)).verdict).toBe("untouched");
    expect(forwarded(state, tcp({ ...service, destinationPort: 8443 }), "eth1").verdict).toBe("accept");
    const undecided = stateOf({
      eth0: { forward: { ingress: nothing, egress: asks("staged") }, normal: { ingress: deny, egress: deny } },
    });
    expect(forwarded(undecided, tcp({ ...service, destinationPort: 8443 }), "eth1").verdict).toBe("untouched");
    // Whatever mark it brings.
    expect(fromHost(state, tcp({ ...service, destinationPort: 8443, mark: 0xffffff })).verdict).toBe("drop");
  });

  test("is of the profile where no tier decides", () => {
    const open = stateOf({ eth0: { normal: { ingress: allow, egress: allow } } });
    expect(toHost(open, tcp({ destinationPort: 81 }), "eth0").verdict).toBe("accept");
    expect(fromHost(open, tcp({ destinationPort: 81 })).verdict).toBe("accept");
    const shut = stateOf({ eth0: {} });
    expect(toHost(shut, tcp({ destinationPort: 80 }), "eth0").verdict).toBe("drop");
    expect(fromHost(shut, tcp({ destinationPort: 80 })).verdict).toBe("drop");
  });
});

describe("the forward stage", () => {
  const state = stateOf({
    eth0: { forward: { ingress: asks("in"), egress: allow } },
    eth1: { forward: { ingress: allow, egress: asks("out") } },
    eth2: { forward: { ingress: { ...asks("in"), profile: "none", tiers: asks("staged").tiers }, egress: nothing } },
  });
  const through = (packet: Partial<Packet>, from: string, uplink: string) =>
    forwarded(state, tcp({ ...packet, uplink }), from).verdict;

  test("judges what comes in by one interface and goes out by another", () => {
    expect(through({ destinationPort: 80 }, "eth0", "eth3")).toBe("accept");
    expect(through({ destinationPort: 81 }, "eth0", "eth3")).toBe("drop");
    expect(through({ destinationPort: 443 }, "eth3", "eth1")).toBe("accept");
    expect(through({ destinationPort: 81 }, "eth3", "eth1")).toBe("drop");
    expect(through({ destinationPort: 80 }, "eth0", "eth1")).toBe("drop");
    expect(through({ destinationPort: 22 }, "eth0", "eth3")).toBe("drop");
    expect(through({}, "eth3", "eth0")).toBe("accept");
    expect(through({}, "eth3", "eth4")).toBe("untouched");
    expect(through({}, "eth2", "eth4")).toBe("untouched");
  });

  test("accepts known connections, and drops what belongs to none", () => {
    for (const [from, uplink] of [
      ["eth0", "eth3"],
      ["eth3", "eth1"],
      ["eth0", "eth1"],
    ] as const) {
      expect(through({ destinationPort: 81, state: "ESTABLISHED" }, from, uplink), from).toBe("accept");
      expect(through({ destinationPort: 80, state: "INVALID" }, from, uplink), from).toBe("drop");
    }
  });

  test("judges what workloads send and get, besides their own policy", () => {
    const pod = { source: parseIp("192.168.1.1"), destinationPort: 80 };
    const open = { ...smallPlan.endpoints.get(workload), egress: allow, ingress: allow } as never;
    const changed = stateOf(
      { eth0: { forward: { ingress: asks("in"), egress: asks("out") } } },
      { endpoints: new Map([...smallPlan.endpoints, [workload, open]]) },
    );
    expect(forwarded(changed, tcp({ ...pod, destinationPort: 443 }), workload).verdict).toBe("accept");
    expect(forwarded(changed, tcp(pod), workload).verdict).toBe("drop");
    expect(forwarded(changed, tcp({ ...pod, state: "ESTABLISHED" }), workload).verdict).toBe("accept");
    const toPod = { destination: parseIp("192.168.1.1") };
    expect(forwarded(changed, tcp({ ...toPod, destinationPort: 80 }), "eth0").verdict).toBe("accept");
    expect(forwarded(changed, tcp({ ...toPod, destinationPort: 81 }), "eth0").verdict).toBe("drop");
    expect(forwarded(changed, tcp({ ...toPod, state: "ESTABLISHED" }), "eth0").verdict).toBe("accept");
  });

  test("does not open a closed workload to the connections that it had", () => {
    const packet = tcp({ destination: parseIp("192.168.1.3"), state: "ESTABLISHED" });
    expect(forwarded(state, packet, "eth0").verdict).toBe("drop");
    expect(forwarded(state, tcp({ source: parseIp("192.168.1.3"), state: "ESTABLISHED" }), closed).verdict).toBe(
      "drop",
    );
  });
});

describe("the stage before DNAT", () => {
  const state = stateOf({
    eth0: { preDnat: asks("before"), forward: { ingress: asks("in"), egress: allow } },
  });
  const nodePort = (port: number) => ({ addressedTo: { ip: parseIp("172.16.0.9"), port } });

  test("sees the port of the node, not the one behind it", () => {
    expect(forwarded(state, tcp({ ...nodePort(30_001), destinationPort: 80, uplink: "eth1" }), "eth0").verdict).toBe(
      "drop",
    );
    expect(forwarded(state, tcp({ ...nodePort(31_000), destinationPort: 80, uplink: "eth1" }), "eth0").verdict).toBe(
      "accept",
    );
    expect(forwarded(state, tcp({ ...nodePort(30_001), destinationPort: 80, uplink: "eth1" }), "eth1").verdict).toBe(
      "untouched",
    );
  });

  test("spares what it allows every later stage of the host, and nothing else", () => {
    expect(toHost(state, tcp({ destinationPort: 30_000 }), "eth0").verdict).toBe("accept");
    expect(toHost(state, tcp({ destinationPort: 29_999 }), "eth0").verdict).toBe("drop");
    const to81 = { destinationPort: 81, uplink: "eth1" };
    expect(forwarded(state, tcp({ ...nodePort(30_000), ...to81 }), "eth0").verdict).toBe("accept");
    expect(forwarded(state, tcp({ ...nodePort(29_999), ...to81 }), "eth0").verdict).toBe("drop");
    expect(forwarded(state, tcp({ ...nodePort(29_999), ...to81, mark: 0xffffff }), "eth0").verdict).toBe("drop");
    const toPod = { destination: parseIp("192.168.1.1"), destinationPort: 30_000 };
    expect(forwarded(state, tcp(toPod), "eth0").verdict).toBe("drop");
    expect(toHost(state, tcp({ destinationPort: 29_999, mark: 0xffffff }), "eth0").verdict).toBe("drop");
  });

  test("is the only one whose word counts, and not a mark that a packet brings", () => {
    expect(toHost(state, tcp({ mark: 0xffffff }), "eth1").verdict).toBe("untouched");
    expect(forwarded(state, tcp({ mark: 0xffffff, uplink: "eth2" }), "eth1").verdict).toBe("untouched");
  });

  test("lets failsafes and known connections through", () => {
    const shut = stateOf({ eth0: { preDnat: asks("nobody"), normal: { ingress: allow, egress: allow } } });
    expect(toHost(shut, tcp({ destinationPort: 22 }), "eth0").verdict).toBe("accept");
    expect(toHost(shut, tcp({ destinationPort: 80 }), "eth0").verdict).toBe("drop");
    expect(toHost(shut, tcp({ destinationPort: 80, state: "ESTABLISHED" }), "eth0").verdict).toBe("accept");
    expect(toHost(shut, tcp({ destinationPort: 22, state: "INVALID" }), "eth0").verdict).toBe("drop");
  });
});

describe("the untracked stage", () => {
  const state = stateOf({ eth0: { untracked: { ingress: asks("in"), egress: asks("out") } } });

  test("takes what it allows out of connection tracking, and past the later stages", () => {
    expect(toHost(state, tcp({ destinationPort: 80 }), "eth0")).toMatchObject({ verdict: "accept", untracked: true });
    expect(toHost(state, tcp({ destinationPort: 81 }), "eth0")).toMatchObject({ verdict: "drop", untracked: false });
    expect(fromHost(state, tcp({ destinationPort: 443 }))).toMatchObject({ verdict: "accept", untracked: true });
    expect(fromHost(state, tcp({ destinationPort: 81 }))).toMatchObject({ verdict: "drop", untracked: false });
    expect(toHost(state, tcp({ destinationPort: 81, mark: 0xffffff }), "eth0").verdict).toBe("drop");
    expect(fromHost(state, tcp({ destinationPort: 81, mark: 0xffffff })).verdict).toBe("drop");
    expect(toHost(state, tcp({ mark: 0xffffff }), "eth1").verdict).toBe("untouched");
    expect(fromHost(state, tcp({ mark: 0xffffff, uplink: "eth1" })).verdict).toBe("untouched");
  });

  test("spares failsafes and the answers to them, which belong to no connection yet", () => {
    const shut = stateOf({
      eth0: {
        untracked: { ingress: asks("nobody"), egress: asks("nobody") },
        normal: { ingress: allow, egress: allow },
      },
    });
    const answer = { state: "ESTABLISHED", destinationPort: 40_000 } as const;
    expect(toHost(shut, tcp({ destinationPort: 22 }), "eth0").verdict).toBe("accept");
    expect(fromHost(shut, tcp({ ...answer, sourcePort: 22 })).verdict).toBe("accept");
    expect(fromHost(shut, tcp({ ...answer, sourcePort: 80 })).verdict).toBe("drop");
    expect(fromHost(shut, tcp({ destinationPort: 53, protocol: 17 })).verdict).toBe("accept");
    expect(toHost(shut, tcp({ ...answer, sourcePort: 53, protocol: 17 }), "eth0").verdict).toBe("accept");
    expect(toHost(shut, tcp({ ...answer, sourcePort: 54, protocol: 17 }), "eth0").verdict).toBe("drop");
  });
});

describe("the host endpoint for all others", () => {
  const state = stateOf({
    "*": { untracked: { ingress: asks("nobody"), egress: nothing }, preDnat: asks("before") },
    eth0: { normal: { ingress: allow, egress: allow }, forward: { ingress: allow, egress: allow } },
  });

  test("is for every interface without one of its own, in every stage", () => {
    expect(toHost(state, tcp({ destinationPort: 80 }), "eth1").verdict).toBe("drop");
    expect(fromHost(state, tcp({ destinationPort: 80, uplink: "eth1" })).verdict).toBe("drop");
    expect(toHost(state, tcp({ destinationPort: 80 }), "eth0").verdict).toBe("accept");
    expect(fromHost(state, tcp({ destinationPort: 80 })).verdict).toBe("accept");
    expect(forwarded(state, tcp({ destinationPort: 30_001 }), "eth0").verdict).toBe("accept");
  });

  test("is for no workload", () => {
    const nobody = asks("nobody");
    const both = { ingress: nobody, egress: nobody };
    const names = [workload, "cali0f1b2c3d4e5"];
    const endpoints = new Map(smallPlan.endpoints);
    for (const [name, endpoint] of smallPlan.endpoints) {
      if (names.includes(name)) endpoints.set(name, { ...endpoint, ingress: allow, egress: allow });
    }
    const star = stateOf({ "*": { untracked: both, preDnat: nobody, forward: both, normal: both } }, { endpoints });
    const toPod = tcp({ source: parseIp("192.168.1.2"), destination: parseIp("192.168.1.1") });
    expect(forwarded(star, toPod, "cali0f1b2c3d4e5").verdict).toBe("accept");
    expect(toHost(star, tcp({ source: parseIp("192.168.1.1") }), workload).verdict).toBe("accept");
    expect(fromHost(star, tcp({ destination: parseIp("192.168.1.1") })).verdict).toBe("untouched");
    const service = { addressedTo: { ip: parseIp("10.96.0.1"), port: 443 }, destination: parseIp("192.168.1.1") };
    // Before connection tracking it is on its way to where a Service's address leads, which is no workload.
    const later = stateOf({ "*": { normal: both, forward: both } }, { endpoints });
    expect(fromHost(later, tcp(service)).verdict).toBe("untouched");
  });
});

test("failsafes are those of the options, for peers of their network alone", () => {
  const failsafes = {
    inbound: [
      { protocol: 6, port: 2222, net: parseCidr("203.0.113.0/24") },
      { protocol: 6, port: 2223, net: parseCidr("2001:db8::/32") },
    ],
    outbound: [{ protocol: 17, port: 5353, net: parseCidr("198.51.100.0/24") }],
  };
  const state = stateOf({ eth0: {} }, {}, { ...defaultRenderOptions, failsafes });
  expect(toHost(state, tcp({ destinationPort: 2222 }), "eth0").verdict).toBe("accept");
  expect(toHost(state, tcp({ destinationPort: 2222, source: parseIp("10.0.0.1") }), "eth0").verdict).toBe("drop");
  expect(toHost(state, tcp({ destinationPort: 22 }), "eth0").verdict).toBe("drop");
  const v6 = { source: parseIp("2001:db8::1"), destination: parseIp("2001:db8::2") };
  expect(toHost(state, tcp({ ...v6, destinationPort: 2223 }), "eth0").verdict).toBe("accept");
  expect(toHost(state, tcp({ ...v6, destinationPort: 2222 }), "eth0").verdict).toBe("drop");
  const rulesOf = (version: 4 | 6) => state.tables.get(`${version}/filter`)?.chains.get("cali-failsafe-in");
  expect([rulesOf(4), rulesOf(6)].map((rules) => rules?.length)).toEqual([1, 1]);
  const udp = { protocol: 17, destinationPort: 5353 };
  expect(fromHost(state, tcp(udp)).verdict).toBe("accept");
  expect(fromHost(state, tcp({ ...udp, destination: parseIp("10.0.0.1") })).verdict).toBe("drop");
});

// --- internal ---

function hooksOf({ tables }: DesiredState): readonly string[] {
  return [...tables.values()]
    .filter(({ version }) => version === 4)
    .flatMap(({ name, hooks }) => [...hooks.keys()].map((hook) => `${name}/${hook}`));
}

function chainNames({ tables }: DesiredState): readonly string[] {
  return [...tables.values()].flatMap(({ chains }) => [...chains.keys()]);
}
