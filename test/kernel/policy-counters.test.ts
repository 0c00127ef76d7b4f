import { execFileSync } from "node:child_process";
import { pino } from "pino";
import { Registry } from "prom-client";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { PolicyCounters } from "../../src/agent/metrics/policy-counters.ts";
import type { RulesDriver } from "../../src/felix/dataplane/dataplane.ts";
import { IptablesRules } from "../../src/felix/dataplane/iptables-rules.ts";
import { NftRules } from "../../src/felix/dataplane/nft-rules.ts";
import { iptablesCounters, nftCounters, type RuleCounterSource } from "../../src/felix/dataplane/rule-counters.ts";
import type { DesiredState, Rule } from "../../src/felix/render/desired-state.ts";
import { printTable } from "../../src/felix/render/iptables.ts";
import { markSet } from "../../src/felix/render/marks.ts";
import { defaultRenderOptions } from "../../src/felix/render/options.ts";
import type { Nftables } from "../../src/host/netlink/nftables.ts";
import { openNftables } from "../../src/host/netlink/nftables-netlink.ts";
import { openSetNetlink, type SetNetlink } from "../../src/host/netlink/set-netlink.ts";
import { parseCidr } from "../../src/net/cidr.ts";
import { NamespaceHost } from "./namespace-host.ts";
import { makeNamespace, type TestNamespace } from "./netlink-namespaces.ts";

const { marks } = defaultRenderOptions;

let namespace: TestNamespace;
let sets: SetNetlink;
let nftables: Nftables;
let now: number;

beforeEach(() => {
  namespace = makeNamespace();
  namespace.ip("link", "set", "lo", "up");
  namespace.ip("addr", "add", "10.77.0.1/32", "dev", "lo");
  sets = openSetNetlink(namespace.path);
  nftables = openNftables(namespace.path);
  now = 0;
});

afterEach(() => {
  sets.close();
  nftables.close();
  namespace[Symbol.dispose]();
});

/** Datagrams to a port of this namespace: 28 bytes of headers and one of data each. */
const send = (port: number, count: number) => {
  const script = `
    const socket = require("node:dgram").createSocket("udp4");
    const next = (left) => left ? socket.send("x", ${port}, "10.77.0.1", () => next(left - 1)) : socket.close();
    next(${count});`;
  execFileSync("ip", ["netns", "exec", namespace.name, process.execPath, "-e", script]);
};

const toPort = (port: number): Rule["matches"] => [
  { kind: "protocol", protocol: 17, negated: false },
  { kind: "net", side: "destination", net: parseCidr("10.77.0.1/32"), negated: false },
  { kind: "ports", side: "destination", ports: [{ first: port, last: port }], negated: false },
];

/** One policy allows port 1001 and denies port 1002; `name` names it, `also` is a rule before its own. */
function stateOf(name: string, also: readonly Rule[] = []): DesiredState {
  const allow: Rule = {
    matches: toPort(1001),
    action: { kind: "set-mark", value: marks.accept, mask: marks.accept },
    comment: `knp/shop/${name} ingress rule 0`,
  };
  const deny: Rule = {
    matches: toPort(1002),
    action: { kind: "drop" },
    comment: `knp/shop/${name} ingress rule 1 (no)`,
  };
  const endOfTier: Rule = {
    matches: toPort(1003),
    action: { kind: "drop" },
    comment: "End of tier default. Drop if no policies passed packet",
  };
  const chains = new Map<string, readonly Rule[]>([
    [
      `cali-pi-knp/shop/${name}`,
      [...also, allow, { matches: [markSet(marks.accept)], action: { kind: "return" } }, deny],
    ],
    ["cali-tw-calia1", [{ matches: [], action: { kind: "jump", chain: `cali-pi-knp/shop/${name}` } }, endOfTier]],
  ]);
  const inserted: readonly Rule[] = [{ matches: [], action: { kind: "jump", chain: "cali-tw-calia1" } }];
  const hooks = new Map([["INPUT", { inserted, appended: [] }]]);
  const table = { version: 4, name: "filter", chains, hooks } as const;
  return { sets: new Map(), tables: new Map([["4/filter", table]]), routes: new Map(), shapings: new Map() };
}

const nothing = { version: 4, name: "filter", chains: new Map(), hooks: new Map() } as const;

interface Backend {
  readonly name: string;
  readonly make: () => { readonly rules: RulesDriver; readonly source: RuleCounterSource };
}

const iptables = (variant: "nft" | "legacy"): Backend => ({
  name: `iptables-${variant}`,
  make: () => {
    const host = new NamespaceHost(namespace.name, (name) => name.replace(/^(ip6?tables)/, `$1-${variant}`));
    return {
      rules: new IptablesRules({ host, sets, print: printTable }),
      source: iptablesCounters({ host, print: printTable }),
    };
  },
});

const backends: readonly Backend[] = [
  iptables("nft"),
  iptables("legacy"),
  { name: "nftables", make: () => ({ rules: new NftRules(nftables), source: nftCounters(nftables) }) },
];

describe.for(backends)("$name", ({ make }) => {
  test("packets and bytes are counted by policy and rule, and go on when rules are written anew", async () => {
    const { rules, source } = make();
    let state = stateOf("web");
    await rules.apply(state);
    const print = countersOf({ source, inForce: () => state });
    send(1001, 3);
    send(1002, 2);
    send(1003, 4);
    const first = await print();
    expect(first).toEqual([
      'margay_policy_bytes_total{policy="knp/shop/web",direction="ingress",action="allow"} 87',
      'margay_policy_bytes_total{policy="knp/shop/web",direction="ingress",action="deny"} 58',
      'margay_policy_bytes_total{policy="tier/default",direction="ingress",action="deny"} 116',
      'margay_policy_packets_total{policy="knp/shop/web",direction="ingress",action="allow"} 3',
      'margay_policy_packets_total{policy="knp/shop/web",direction="ingress",action="deny"} 2',
      'margay_policy_packets_total{policy="tier/default",direction="ingress",action="deny"} 4',
      'margay_policy_rule_bytes_total{policy="knp/shop/web",direction="ingress",rule="0"} 87',
      'margay_policy_rule_bytes_total{policy="knp/shop/web",direction="ingress",rule="1"} 58',
      'margay_policy_rule_packets_total{policy="knp/shop/web",direction="ingress",rule="0"} 3',
      'margay_policy_rule_packets_total{policy="knp/shop/web",direction="ingress",rule="1"} 2',
    ]);
    send(1001, 1);
    expect(await print(), "asked again at once, the kernel is not").toEqual(first);
    // The chain is filled anew, from a kernel that has nothing any more: its counters begin at zero.
    await rules.apply({ ...state, tables: new Map([["4/filter", nothing]]) });
    state = stateOf("web", [{ matches: toPort(1004), action: { kind: "drop" } }]);
    await rules.apply(state);
    send(1001, 2);
    now += 10_000;
    const last = await print();
    expect(last).toContain('margay_policy_packets_total{policy="knp/shop/web",direction="ingress",action="allow"} 5');
    expect(last).toContain('margay_policy_packets_total{policy="knp/shop/web",direction="ingress",action="deny"} 2');
  });
});

// --- internal ---

function countersOf(parts: { readonly source: RuleCounterSource; readonly inForce: () => DesiredState }) {
  const registry = new Registry();
  new PolicyCounters(registry, {
    ...{ mostPolicies: 200, marks: () => marks, source: () => parts.source, inForce: parts.inForce },
    ...{ clock: { monotonicNow: () => now }, logger: pino({ level: "silent" }) },
  });
  return async () => {
    const text = await registry.metrics();
    return text
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"))
      .sort();
  };
}
