import { describe, expect, test } from "vitest";
import {
  type ResolvedSettings,
  resolveSettings,
  type SettingInputs,
} from "../../../../src/felix/config/resolve-settings.ts";
import { felixObject } from "./felix-objects.ts";

/** Every source, the strongest first, and how each says which port health is served on. */
const sources: readonly [
  ResolvedSettings["sources"]["healthPort"],
  (port: unknown) => Partial<SettingInputs>,
  string,
][] = [
  ["override", (port) => ({ overrides: { healthPort: port as number } }), "the command line"],
  [
    "environment",
    (port) => ({ environment: { FELIX_HEALTHPORT: String(port) } }),
    "FELIX_HEALTHPORT of the environment",
  ],
  ["file", (port) => ({ file: `HealthPort = ${port}` }), "HealthPort of felix.cfg"],
  ["node", (healthPort) => ({ objects: { node: felixObject("node.a", { healthPort }) } }), "FelixConfiguration node.a"],
  [
    "selector",
    (healthPort) => ({ objects: { selected: felixObject("racks", { healthPort }) } }),
    "FelixConfiguration racks",
  ],
  [
    "default",
    (healthPort) => ({ objects: { default: felixObject("default", { healthPort }) } }),
    "FelixConfiguration default",
  ],
];

function resolve(...inputs: readonly Partial<SettingInputs>[]): ResolvedSettings {
  const objects = Object.assign({}, ...inputs.map(({ objects }) => objects));
  return resolveSettings({ environment: {}, ...Object.assign({}, ...inputs), objects });
}

test("without any source, what is built in counts, and there is no problem", () => {
  const { settings, sources, problems } = resolve();
  expect(problems).toEqual([]);
  expect(new Set(Object.values(sources))).toEqual(new Set(["built-in"]));
  expect(settings).toMatchObject({
    healthPort: 9099,
    defaultEndpointToHostAction: "accept",
    iptablesMarkMask: 0xffff0000,
  });
});

describe.each(sources.map(([source], index) => [source, index] as const))("%s", (source, index) => {
  const weaker = sources.slice(index);

  test("goes before everything that is weaker", () => {
    const { settings, sources, problems } = resolve(...weaker.map(([, says], offset) => says(100 + index + offset)));
    expect(settings.healthPort).toBe(100 + index);
    expect(sources.healthPort).toBe(source);
    expect(problems).toEqual([]);
  });
});

test.each(sources.slice(1).map(([source], index) => [source, index + 1] as const))(
  "when the value of %s cannot be used, the next one's counts, and a sentence says so",
  (_, index) => {
    const [bad, ...others] = sources.slice(index);
    const given = others.map(([, says], offset) => says(200 + offset));
    const { settings, sources: from, problems } = resolve(...(bad === undefined ? [] : [bad[1](70_000)]), ...given);
    const [next = "built-in", , label = "the default counts"] = others[0] ?? [];
    expect(settings.healthPort).toBe(others.length === 0 ? 9099 : 200);
    expect(from.healthPort).toBe(next);
    expect(problems).toEqual([expect.stringContaining(bad?.[2] ?? "")]);
    expect(problems[0]).toContain("from 0 to 65535");
    expect(problems[0]).toContain(label);
  },
);

test("a bad value that is weaker than a good one is told of too", () => {
  const { settings, problems } = resolve(
    { environment: { FELIX_VXLANPORT: "8472" } },
    { objects: { default: felixObject("default", { vxlanPort: 0 }) } },
  );
  expect(settings.vxlanPort).toBe(8472);
  expect(problems).toEqual([
    "Cannot use 0 as vxlanPort of FelixConfiguration default: it must be a whole number from 1 to 65535; " +
      "FELIX_VXLANPORT of the environment counts.",
  ]);
});

test("of an object with a field that has the wrong type, the others count", () => {
  const object = felixObject("default", {
    ...{ healthPort: "9", prometheusMetricsPort: 1, netlinkTimeout: 7, bpfEnabled: "yes", hearthPort: 2 },
  });
  const { settings, problems } = resolve({ objects: { default: object } });
  expect(settings).toMatchObject({ healthPort: 9099, prometheusMetricsPort: 1, netlinkTimeoutMs: 10_000 });
  expect(problems).toEqual([
    "Cannot use hearthPort of FelixConfiguration default: no setting has this name.",
    'Cannot use healthPort of FelixConfiguration default: it is "9": it must be a number; the default counts.',
    "Cannot use netlinkTimeout of FelixConfiguration default: it is 7: it must be text; the default counts.",
    'Cannot use bpfEnabled of FelixConfiguration default: it is "yes": it must be true or false.',
  ]);
});

test("objects say times, ports and lists in their own way", () => {
  const object = felixObject("default", {
    ...{ routeRefreshInterval: "1m30s", nftablesRefreshInterval: "0", netlinkTimeout: "2s" },
    ...{ iptablesMarkMask: 0xff, natPortRange: 5000, ipv6Support: false },
    failsafeInboundHostPorts: [],
    failsafeOutboundHostPorts: [{ port: 22 }, { protocol: "UDP", port: 53, net: "10.0.0.1/8" }],
    healthTimeoutOverrides: [{ name: "dataplane", timeout: "1m" }],
    logPrefix: "none",
  });
  const { settings, problems } = resolve({ objects: { default: object } });
  expect(problems).toEqual([]);
  expect(settings).toMatchObject({
    ...{ routeRefreshIntervalMs: 90_000, nftablesRefreshIntervalMs: 0, netlinkTimeoutMs: 2000 },
    ...{ iptablesMarkMask: 0xff, natPortRange: { first: 5000, last: 5000 }, ipv6Support: false },
    failsafeInboundHostPorts: [],
    failsafeOutboundHostPorts: [
      { protocol: "tcp", port: 22 },
      { protocol: "udp", port: 53, net: "10.0.0.0/8" },
    ],
    healthTimeoutOverrides: new Map([["dataplane", 60_000]]),
    logPrefix: "",
  });
});

test("an empty text is no value, in every source", () => {
  const { sources, problems } = resolve(
    { environment: { FELIX_LOGSEVERITYSCREEN: "" }, file: "LogSeverityScreen =\n" },
    {
      objects: {
        node: felixObject("node.a", { logSeverityScreen: "" }),
        default: felixObject("default", { logSeverityScreen: "Debug" }),
      },
    },
  );
  expect(sources.logSeverityScreen).toBe("default");
  expect(problems).toEqual([]);
});

test("names count in any case, and one that no setting has is told of", () => {
  const { settings, problems } = resolve({
    environment: { Felix_HealthPort: "1", FELIX_HEARTHPORT: "2", FELIX_NETLINKTIMEOUT: "3", PATH: "/bin" },
    file: "PROMETHEUSMETRICSPORT = 4\nnodeSelector = all()\n",
  });
  expect(settings).toMatchObject({ healthPort: 1, prometheusMetricsPort: 4, netlinkTimeoutMs: 10_000 });
  expect(problems).toEqual([
    "Cannot use FELIX_HEARTHPORT of the environment: no setting has this name.",
    "Cannot use FELIX_NETLINKTIMEOUT of the environment: no setting has this name.",
    "Cannot use nodeSelector of felix.cfg: no setting has this name.",
  ]);
});

test("what is accepted without effect is told of where it asks for something, and not where it asks for nothing", () => {
  const asking = resolve({
    environment: { FELIX_BPFENABLED: "true", FELIX_TYPHAADDR: "typha:5473", FELIX_IPINIPMTU: "1440" },
    objects: {
      default: felixObject("default", {
        ...{ wireguardEnabled: true, bpfLogFilters: { all: "tcp" } },
        ...{ iptablesLockProbeInterval: "50ms", kubeNodePortRanges: [80, "30000:32767"] },
      }),
    },
  });
  expect(asking.problems).toEqual([
    "FELIX_IPINIPMTU of the environment has no effect here: there are no tunnels between nodes.",
    "FELIX_BPFENABLED of the environment has no effect here: there is no eBPF dataplane.",
    "FELIX_TYPHAADDR of the environment has no effect here: the agent follows the API server itself.",
    "iptablesLockProbeInterval of FelixConfiguration default has no effect here: iptables itself waits for it.",
    "kubeNodePortRanges of FelixConfiguration default has no effect here: no rule goes by them, since kube-proxy's mode " +
      "ipvs is not supported.",
    "wireguardEnabled of FelixConfiguration default has no effect here: there is no WireGuard.",
    "bpfLogFilters of FelixConfiguration default has no effect here: there is no eBPF dataplane.",
  ]);
  // As Calico itself writes its object, and its DaemonSet its environment.
  const silent = resolve({
    environment: { FELIX_DATASTORETYPE: "kubernetes", FELIX_LOGSEVERITYSYS: "none", FELIX_WIREGUARDMTU: "0" },
    objects: { default: felixObject("default", { bpfEnabled: false, bpfLogLevel: "", reportingInterval: "0s" }) },
  });
  expect(silent.problems).toEqual([]);
});

test("only the node itself can set what belongs to it alone", () => {
  const { problems } = resolve({ objects: { default: felixObject("default", { typhaAddr: "typha:5473" }) } });
  expect(problems).toEqual(["Cannot use typhaAddr of FelixConfiguration default: no setting has this name."]);
});
