import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { PolicyConnections, type PolicyConnectionsParts } from "../../src/agent/policy-connections.ts";
import type { NodeName } from "../../src/api/names.ts";
import type { EndpointPlan, NodePlan, PolicyId, RulePlan } from "../../src/felix/calc/plan.ts";
import { defaultRenderOptions } from "../../src/felix/render/options.ts";
import { render } from "../../src/felix/render/render.ts";
import { type ConntrackNetlink, openConntrackNetlink } from "../../src/host/netlink/conntrack-netlink.ts";
import { openNetlink } from "../../src/host/netlink/route-netlink.ts";
import { writeSysctl } from "../../src/host/sysctl.ts";
import { parseIp } from "../../src/net/ip.ts";
import { testClock } from "../fakes/test-clock.ts";
import { policyOf, ruleOf } from "../unit/felix/small-plan.ts";
import { PacketNode } from "./packets/packet-node.ts";
import { caller, echoServer, pushServer, type TcpPeer, udpCaller, udpEchoServer } from "./packets/tcp-peers.ts";

const [client, server] = [
  { hostInterface: "caliclient", addresses: [parseIp("10.0.0.1"), parseIp("fd00::1")] },
  { hostInterface: "caliserver", addresses: [parseIp("10.0.0.2"), parseIp("fd00::2")] },
];
const [v4, v6] = ["10.0.0.2", "fd00::2"] as const;

let node: PacketNode;
let connections: ConntrackNetlink;
let peers: DisposableStack;

beforeEach(async () => {
  node = await PacketNode.start("node-a" as NodeName, [client, server]);
  connections = openConntrackNetlink(node.namespace.path);
  peers = new DisposableStack();
});

afterEach(async () => {
  peers.dispose();
  connections.close();
  await node[Symbol.asyncDispose]();
});

test("changed policy ends what it forbids, and nothing else", { timeout: 60_000 }, async () => {
  const flows = await establish();
  const { looking, lines } = watcher("end");
  looking.applied(await apply([8080, 8081, 8082]));
  looking.applied(await apply([8081]));
  await vi.waitFor(() => expect(lines.at(-1)).toMatchObject({ connections: 6, ended: true }), 10_000);
  looking.stop();

  expect(lines.slice(0, -1).map(textOf).sort()).toEqual(
    [
      `6 10.0.0.1 ${v4}:8080 ingress default`,
      `6 10.0.0.1 ${v4}:8080 ingress default`,
      `6 10.0.0.1 ${v4}:8080 ingress default`,
      `6 fd00::1 ${v6}:8080 ingress default`,
      `17 10.0.0.1 ${v4}:8080 ingress default`,
      `17 fd00::1 ${v6}:8082 ingress default`,
    ].sort(),
  );
  await expectAlive(flows.stay);
  await expectDead(flows.go);
});

test("a dry run tells what it would end, and ends nothing", { timeout: 60_000 }, async () => {
  const flows = await establish();
  const { looking, lines } = watcher("report");
  looking.applied(await apply([8080, 8081, 8082]));
  looking.applied(await apply([8081]));
  await vi.waitFor(() => expect(lines.at(-1)).toMatchObject({ connections: 6, ended: false }), 10_000);
  looking.stop();
  expect(lines.slice(0, -1).every(({ ended }) => ended === false)).toBe(true);
  await expectAlive([...flows.stay, ...flows.go]);
});

test("what was never allowed is left alone, and so is what becomes allowed again", { timeout: 60_000 }, async () => {
  const flows = await establish();
  const { looking, lines } = watcher("end");
  looking.applied(await apply([8081]));
  // Known to the kernel by the policy before, which the look does not know of.
  looking.applied(await apply([8081, 8083]));
  looking.applied(await apply([8081]));
  looking.applied(await apply([8080, 8081, 8082]));
  await settled();
  looking.stop();
  expect(lines).toEqual([]);
  await expectAlive([...flows.stay, ...flows.go]);
});

test("a connection whose far end goes on sending does not come back", { timeout: 60_000 }, async () => {
  await apply([8080], { egress: [8080] });
  await ready(pushServer(nameOf(server.hostInterface), 8080));
  const listening = peers.use(caller(nameOf(client.hostInterface), { ip: v4, port: 8080 }));
  expect(await listening.hears("20", 5000)).toBe(true);
  const { looking, lines } = watcher("end");
  looking.applied(await apply([8080], { egress: [8080] }));
  looking.applied(await apply([8080], { egress: [8081] }));
  await vi.waitFor(() => expect(lines.at(-1)).toMatchObject({ connections: 1, ended: true }), 10_000);
  looking.stop();
  expect(await listening.hears("300", 8000)).toBe(false);
});

// --- internal ---

/** Of all families and protocols: what policy that leaves only port 8081 forbids, and what it does not. */
async function establish(): Promise<{ readonly go: readonly TcpPeer[]; readonly stay: readonly TcpPeer[] }> {
  await apply([8080, 8081, 8082]);
  for (const port of [8080, 8081]) await ready(echoServer(nameOf(server.hostInterface), port));
  for (const port of [8080, 8081, 8082]) await ready(udpEchoServer(nameOf(server.hostInterface), port));
  const from = nameOf(client.hostInterface);
  const [addressedTo, to] = [
    { ip: parseIp("10.96.0.10"), port: 443 },
    { ip: parseIp(v4), port: 8080 },
  ];
  node.exchange([{ protocol: 6, source: parseIp("10.0.0.1"), addressedTo, to }]);
  const go = [
    caller(from, { ip: v4, port: 8080 }),
    caller(from, { ip: v4, port: 8080 }),
    caller(from, addressedTo),
    caller(from, { ip: v6, port: 8080 }),
    udpCaller(from, { ip: v4, port: 8080 }),
    udpCaller(from, { ip: v6, port: 8082 }),
  ];
  const stay = [
    caller(from, { ip: v4, port: 8081 }),
    caller(from, { ip: v6, port: 8081 }),
    udpCaller(from, { ip: v4, port: 8081 }),
    // The node may speak with its pods whatever their policy.
    caller(node.namespace.name, { ip: v4, port: 8080 }),
  ];
  for (const peer of [...go, ...stay]) peers.use(peer);
  for (const peer of [...go, ...stay]) expect(await peer.hears("open", 5000)).toBe(true);
  await expectAlive([...go, ...stay]);
  return { go, stay };
}

async function ready(peer: TcpPeer): Promise<void> {
  peers.use(peer);
  expect(await peer.hears("ready", 5000)).toBe(true);
}

let count = 0;

async function expectAlive(flows: readonly TcpPeer[]): Promise<void> {
  const line = `alive ${count++}`;
  for (const flow of flows) flow.says(line);
  expect(await Promise.all(flows.map((flow) => flow.hears(line, 5000)))).toEqual(flows.map(() => true));
}

async function expectDead(flows: readonly TcpPeer[]): Promise<void> {
  const line = `dead ${count++}`;
  for (const flow of flows) flow.says(line);
  expect(await Promise.all(flows.map((flow) => flow.hears(line, 1500)))).toEqual(flows.map(() => false));
}

function nameOf(hostInterface: string): string {
  return node.pods.get(hostInterface)?.name ?? "";
}

/** The server lets in what is for these ports, and the client sends to those of `egress`, or anywhere. */
async function apply(ports: readonly number[], { egress }: { egress?: readonly number[] } = {}): Promise<NodePlan> {
  const plan = planOf(ports, egress);
  await node.apply(render(plan, defaultRenderOptions));
  return plan;
}

function planOf(ingress: readonly number[], egress: readonly number[] | undefined): NodePlan {
  const [serverPolicy, clientPolicy] = ["knp/shop/server", "knp/shop/client"] as [PolicyId, PolicyId];
  const open = { tiers: [], profile: "allow" } as const;
  const by = (policy: PolicyId) =>
    ({ tiers: [{ name: "default", policies: [policy], endAction: "deny" }], profile: "allow" }) as const;
  const endpoints: readonly EndpointPlan[] = [
    { ...client, state: "open", ingress: open, egress: egress === undefined ? open : by(clientPolicy) },
    { ...server, state: "open", ingress: by(serverPolicy), egress: open },
  ];
  const policies = [
    policyOf(serverPolicy, { ingress: rulesFor(ingress) }),
    ...(egress === undefined ? [] : [policyOf(clientPolicy, { egress: rulesFor(egress) })]),
  ];
  return {
    endpoints: new Map(endpoints.map((one) => [one.hostInterface, one])),
    hostEndpoints: new Map(),
    policies: new Map(policies.map((one) => [one.id, one])),
    ...{ sets: new Map(), pools: [], masqueradedPools: [], bgpNeighbours: [], hosts: [] },
  };
}

function rulesFor(ports: readonly number[]): readonly RulePlan[] {
  const ranges = ports.map((port) => ({ first: port, last: port }));
  return [6, 17].map((protocol) => ruleOf("allow", { protocol, destination: { ports: { ranges, sets: [] } } }));
}

type Line = Readonly<Record<string, unknown>>;

function watcher(mode: PolicyConnectionsParts["mode"]) {
  const lines: Line[] = [];
  const log = (facts: unknown) => void lines.push(facts as Line);
  const looking = new PolicyConnections({
    ...{ mode, connections, clock: testClock() },
    ownAddresses: async () => {
      const netlink = openNetlink(node.namespace.path);
      const addresses = await netlink.addresses();
      netlink.close();
      return addresses.map(({ ip }) => ip);
    },
    writeSysctl: (key, value) => writeSysctl(node.namespace.path, key, value),
    logger: { info: log, error: log } as PolicyConnectionsParts["logger"],
  });
  return { looking, lines };
}

/** What is asked for now is done after what was asked for before. */
async function settled(): Promise<void> {
  for (let round = 0; round < 10; round++) {
    await new Promise((resolve) => setImmediate(resolve));
    await connections.find([parseIp("192.0.2.1")]);
  }
}

function textOf({ protocol, source, destination, destinationPort, direction, by }: Line): string {
  const { tier, policy } = by as { readonly tier?: string; readonly policy?: string };
  return `${protocol} ${source} ${destination}:${destinationPort} ${direction} ${policy ?? tier}`;
}
