import { setImmediate as tick } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { NodeStatusWriter } from "../../../../src/agent/bgp/node-status-writer.ts";
import type { Observation } from "../../../../src/agent/bgp/observer.ts";
import { type CalicoNodeStatus, parseCalicoNodeStatus } from "../../../../src/api/calico-node-status.ts";
import type { NodeName } from "../../../../src/api/names.ts";
import type { BirdRoute } from "../../../../src/bgp/bird/parse-routes.ts";
import { KubeError } from "../../../../src/kube/client.ts";
import type { Cidr } from "../../../../src/net/cidr.ts";
import { parseIp } from "../../../../src/net/ip.ts";
import { stubClient } from "../../../fakes/stub-client.ts";
import { testClock } from "../../../fakes/test-clock.ts";
import { look, noBird, session } from "./observed.ts";

let clock: ReturnType<typeof testClock>;
let statuses: Map<string, CalicoNodeStatus>;
let written: { readonly path: string; readonly status: Record<string, unknown> }[];
let refuse: unknown;
let observed: Observation;
let logged: string[];
let writer: NodeStatusWriter;

const route = (destination: string, protocol: string, fields: Partial<BirdRoute> = {}): BirdRoute => ({
  ...{ destination: destination as Cidr, type: "unicast", protocol, isBest: true },
  hops: [{ via: parseIp("10.0.0.2"), interface: "eth0" }],
  ...fields,
});
const routes = [
  route("192.168.1.0/26", "Mesh_10_0_0_2"),
  route("192.168.1.0/26", "Global_10_0_0_9", { isBest: false }),
  route("192.168.2.0/26", "static_v4", { type: "blackhole", hops: [] }),
  route("10.0.0.0/24", "direct1", { hops: [{ via: undefined, interface: "eth0" }] }),
  route("fd00::/64", "kernel_v6", { hops: [{ via: parseIp("fe80::1"), interface: "eth0" }] }),
];

beforeEach(() => {
  [clock, statuses, written, refuse, logged] = [testClock(), new Map(), [], undefined, []];
  const off = session("fd00::2", { state: "Down" });
  const tor = session("10.0.0.9", { name: "Global_10_0_0_9", state: "Active", since: "2026-11-21 11:00:00" });
  observed = look([session("10.0.0.2"), tor, off]);
  const client = stubClient((path, body, options) => {
    if (refuse !== undefined) throw refuse;
    expect(options).toMatchObject({ type: "merge" });
    written.push({ path, status: (body as { status: Record<string, unknown> }).status });
  });
  writer = new NodeStatusWriter({
    ...{ node: "node-1" as NodeName, statuses, client, clock, observed: () => observed },
    ...{ routes: async () => routes, logger: { warn: (_: unknown, text?: string) => void logged.push(text ?? "") } },
  });
  writer.start();
});
afterEach(() => writer.stop());

function ask(name: string, spec: object): void {
  statuses.set(name, parseCalicoNodeStatus({ metadata: { name, uid: name }, spec: { node: "node-1", ...spec } }));
}

/** What was written after so many seconds. */
async function after(seconds: number) {
  clock.pass(seconds * 1000);
  for (let turn = 0; turn < 5; turn++) await tick();
  return written.splice(0);
}

test("what the classes ask for, in upstream's words", async () => {
  ask("one", { classes: ["Agent", "BGP", "Routes"] });
  const [first] = await after(0);
  expect(first?.path).toBe("PATCH /apis/projectcalico.org/v3/caliconodestatuses/one/status");
  const bird = {
    ...{ state: "Ready", version: "2.0.12", routerID: "10.0.0.1" },
    ...{ lastBootTime: "2026-11-21 09:00:00", lastReconfigurationTime: "2026-11-21 11:00:00" },
  };
  const since = "2026-11-21 10:00:00";
  expect(first?.status).toEqual({
    lastUpdated: "2026-11-21T13:00:00Z",
    agent: { birdV4: bird, birdV6: bird },
    bgp: {
      ...{ numberEstablishedV4: 1, numberNotEstablishedV4: 1, numberEstablishedV6: 0, numberNotEstablishedV6: 1 },
      peersV4: [
        { peerIP: "10.0.0.2", type: "NodeMesh", state: "Established", since },
        { peerIP: "10.0.0.9", type: "GlobalPeer", state: "Active", since: "2026-11-21 11:00:00" },
      ],
      peersV6: [{ peerIP: "fd00::2", type: "NodeMesh", state: "Idle", since }],
    },
    routes: {
      routesV4: [
        {
          ...{ type: "FIB", destination: "192.168.1.0/26", gateway: "10.0.0.2", interface: "eth0" },
          learnedFrom: { sourceType: "NodeMesh", peerIP: "10.0.0.2" },
        },
        {
          ...{ type: "RIB", destination: "192.168.1.0/26", gateway: "10.0.0.2", interface: "eth0" },
          learnedFrom: { sourceType: "BGPPeer", peerIP: "10.0.0.9" },
        },
        { type: "FIB", destination: "192.168.2.0/26", learnedFrom: { sourceType: "Static" } },
        { type: "FIB", destination: "10.0.0.0/24", interface: "eth0", learnedFrom: { sourceType: "Direct" } },
      ],
      routesV6: [
        {
          ...{ type: "FIB", destination: "fd00::/64", gateway: "fe80::1", interface: "eth0" },
          learnedFrom: { sourceType: "Kernel" },
        },
      ],
    },
  });
});

test("a class that is not asked for is taken away, and a BIRD that does not answer is not ready", async () => {
  ask("one", { classes: ["Agent"] });
  observed = noBird;
  const [first] = await after(0);
  expect(first?.status).toMatchObject({ agent: { birdV4: { state: "NotReady" } }, bgp: null, routes: null });
});

test("as often as each says; 0 is once; another node's never", async () => {
  ask("often", { classes: ["BGP"], updatePeriodSeconds: 10 });
  ask("once", { classes: ["BGP"], updatePeriodSeconds: 0 });
  ask("elsewhere", { classes: ["BGP"], node: "node-2" });
  const names = async (seconds: number) => (await after(seconds)).map(({ path }) => path.split("/").at(-2));
  expect(await names(0)).toEqual(["often", "once"]);
  expect(await names(9)).toEqual([]);
  expect(await names(1)).toEqual(["often"]);
  ask("once", { classes: ["BGP", "Agent"], updatePeriodSeconds: 0 });
  expect(await names(1)).toEqual(["once"]);
  statuses.delete("once");
  await after(1);
  ask("once", { classes: ["BGP", "Agent"], updatePeriodSeconds: 0 });
  expect(await names(1)).toEqual(["once"]);
});

test("a failure is told once and tried again; an object that is gone is nobody's trouble", async () => {
  refuse = new KubeError("change it", 500, "InternalError", "no");
  ask("one", { classes: ["BGP"], updatePeriodSeconds: 0 });
  await after(0);
  await after(10);
  expect(logged).toEqual(["cannot write a CalicoNodeStatus: trying again"]);
  refuse = undefined;
  expect(await after(9)).toEqual([]);
  expect(await after(1)).toHaveLength(1);
  refuse = new KubeError("change it", 404, "NotFound", "gone");
  ask("two", { classes: ["BGP"] });
  await after(10);
  expect(logged).toHaveLength(1);
});
