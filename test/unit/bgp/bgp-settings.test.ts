import { expect, test } from "vitest";
import { parseBgpConfiguration, restOfBgpConfiguration } from "../../../src/api/bgp-configuration.ts";
import { type BgpSettings, bgpSettings, listenPortOf } from "../../../src/bgp/plan/bgp-settings.ts";
import { nodeName } from "./cluster.ts";

const builtIn: BgpSettings = {
  logLevel: "info",
  mesh: { password: undefined, restartTimeS: undefined, bfd: false },
  asNumber: 64512,
  listenPort: 179,
  bindsToNodeIp: false,
  ignoredInterfaces: ["cali*", "kube-ipvs*"],
  normalRoutePriority: { 4: 1024, 6: 1024 },
  workloadPeering: { 4: undefined, 6: undefined },
};

/** What objects of these names and specs come to on node `a`. */
function settled(specs: Readonly<Record<string, object>>) {
  const objects = Object.entries(specs).map(([name, spec]) => [name, parsed(name, spec)] as const);
  return bgpSettings({ bgpConfiguration: new Map(objects) }, nodeName("a"));
}

function parsed(name: string, spec: object) {
  const json = { metadata: { name }, spec };
  try {
    return parseBgpConfiguration(json);
  } catch {
    return restOfBgpConfiguration(json) ?? expect.fail("it has no name");
  }
}

test("without any BGPConfiguration, and with an empty one, the built-in settings count", () => {
  expect(settled({})).toEqual({ settings: builtIn, rejected: [] });
  expect(settled({ default: {}, "node.a": {}, "node.b": { listenPort: 1 } })).toEqual({
    settings: builtIn,
    rejected: [],
  });
});

const password = { secretKeyRef: { name: "s", key: "k" } };

test.each([
  [{ logSeverityScreen: "Debug" }, { logLevel: "debug" }],
  [{ logSeverityScreen: "Fatal" }, { logLevel: "fatal" }],
  [{ nodeToNodeMeshEnabled: false }, { mesh: undefined }],
  [{ nodeMeshPassword: password }, { mesh: { ...builtIn.mesh, password } }],
  [{ nodeMeshMaxRestartTime: "1m30s" }, { mesh: { ...builtIn.mesh, restartTimeS: 90 } }],
  [{ nodeMeshBFD: "Enabled" }, { mesh: { ...builtIn.mesh, bfd: true } }],
  [{ asNumber: "1.10" }, { asNumber: 65546 }],
  [{ listenPort: 1790 }, { listenPort: 1790 }],
  [{ bindMode: "NodeIP" }, { bindsToNodeIp: true }],
  [{ ignoredInterfaces: ["docker*", "cali*"] }, { ignoredInterfaces: ["cali*", "kube-ipvs*", "docker*"] }],
  [{ ipv4NormalRoutePriority: 7 }, { normalRoutePriority: { 4: 7, 6: 1024 } }],
  [{ ipv6NormalRoutePriority: 8 }, { normalRoutePriority: { 4: 1024, 6: 8 } }],
  [{ localWorkloadPeeringIPV4: "169.254.0.1" }, { workloadPeering: { 4: "169.254.0.1", 6: undefined } }],
  [{ localWorkloadPeeringIPV6: "fe80::1" }, { workloadPeering: { 4: undefined, 6: "fe80::1" } }],
])("%j on default gives %j", (spec, expected) => {
  expect(settled({ default: spec })).toEqual({ settings: { ...builtIn, ...expected }, rejected: [] });
});

test("what a node's own object says goes before default, field by field; an empty list says nothing", () => {
  const common = { listenPort: 1790, logSeverityScreen: "Debug", ignoredInterfaces: ["docker*"], bindMode: "NodeIP" };
  const own = { listenPort: 1791, ignoredInterfaces: [], localWorkloadPeeringIPV4: "169.254.0.1" };
  expect(settled({ default: common, "node.a": own, "node.b": { listenPort: 1 } }).settings).toEqual({
    ...{ ...builtIn, listenPort: 1791, logLevel: "debug", bindsToNodeIp: true },
    ignoredInterfaces: ["cali*", "kube-ipvs*", "docker*"],
    workloadPeering: { 4: "169.254.0.1", 6: undefined },
  });
  expect(settled({ "node.a": { ignoredInterfaces: ["eth9"] }, default: common }).settings.ignoredInterfaces).toEqual([
    "cali*",
    "kube-ipvs*",
    "eth9",
  ]);
});

test("another node's port is its own object's, else default's, else 179", () => {
  const objects = { default: { listenPort: 1790 }, "node.b": { listenPort: 1791 } };
  const bgpConfiguration = new Map(Object.entries(objects).map(([name, spec]) => [name, parsed(name, spec)]));
  expect(listenPortOf({ bgpConfiguration }, nodeName("b"))).toBe(1791);
  expect(listenPortOf({ bgpConfiguration }, nodeName("c"))).toBe(1790);
  expect(listenPortOf({ bgpConfiguration: new Map() }, nodeName("c"))).toBe(179);
});

test("what is for all nodes alike counts on default only, and is told where it stands elsewhere", () => {
  const { settings, rejected } = settled({ "node.a": { asNumber: 7, nodeToNodeMeshEnabled: false, listenPort: 1790 } });
  expect(settings).toEqual({ ...builtIn, listenPort: 1790 });
  expect(rejected.map(({ name, reason }) => `${name}: ${reason}`).toSorted()).toEqual([
    "node.a: Cannot use asNumber: asNumber can be set on the BGPConfiguration default only",
    "node.a: Cannot use nodeToNodeMeshEnabled: nodeToNodeMeshEnabled can be set on the BGPConfiguration default only",
  ]);
});

test.each([
  [{ listenPort: 70_000 }, "Cannot use listenPort: "],
  [{ nodeMeshMaxRestartTime: "5000s" }, "Cannot use nodeMeshMaxRestartTime as it is: 5000s is longer than BGP can say"],
  [{ programClusterRoutes: "Disabled" }, "Cannot use programClusterRoutes: Disabled: "],
])("%j is told, and the rest stands", (spec, reason) => {
  const { settings, rejected } = settled({ default: { ...spec, asNumber: 7 } });
  expect(settings.asNumber).toBe(7);
  expect(rejected).toEqual([{ kind: "BGPConfiguration", name: "default", reason: expect.stringContaining(reason) }]);
});

test("an object whose name is nobody's is told; another node's faults are not", () => {
  const { rejected } = settled({ mine: { listenPort: 1790 }, "node.b": { asNumber: 7 } });
  expect(rejected).toEqual([
    { kind: "BGPConfiguration", name: "mine", reason: expect.stringContaining("it is for no node") },
  ]);
});
