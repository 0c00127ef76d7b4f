import { performance } from "node:perf_hooks";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { render } from "../../src/felix/render/render.ts";
import { type Ip, parseIp } from "../../src/net/ip.ts";
import { mapMutations, mutations } from "../oracle/mutations.ts";
import type { Party } from "../oracle/parties.ts";
import { calculate } from "../oracle/planners.ts";
import { type Cluster, cluster } from "../oracle/random-cluster.ts";
import { type Connection, connectionsOf } from "../oracle/random-packets.ts";
import { explainVerdict, PacketJudge } from "./packets/judge-packets.ts";
import { assertKernelAgreement, noPackets, packetsText } from "./packets/kernel-agreement.ts";
import { home, podParty, smallCluster } from "./packets/small-cluster.ts";
import { caller, echoServer, type TcpPeer } from "./packets/tcp-peers.ts";

const backends = ["iptables", "nftables"] as const;
type Backend = (typeof backends)[number];

const judges = new Map<Backend, PacketJudge>();

beforeAll(async () => {
  for (const backend of backends) judges.set(backend, await PacketJudge.start(backend));
});

afterAll(async () => {
  for (const judge of judges.values()) await judge[Symbol.asyncDispose]();
});

test("the kernel does with real packets what the specification says", async () => {
  const given = Number(process.env["PACKETS_SEED"] ?? Number.NaN);
  const seed = Number.isInteger(given) ? given : Math.floor(Math.random() * 2 ** 31);
  process.stdout.write(
    `seed ${seed}; once more: PACKETS_SEED=${seed} npx vitest run --project kernel test/kernel/policy-packets.test.ts\n`,
  );
  const started = performance.now();
  const tally = noPackets();
  // Each has clusters of its own: together they say as much as one alone would.
  for (const [index, backend] of backends.entries()) {
    const runs = { clusters: 15, limitMs: 20_000, seed: seed + index };
    await assertKernelAgreement(judgeOf(backend), tally, runs);
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stdout.write(`the kernel agrees: ${seconds} s, ${packetsText(tally)}\n`);
  expect(tally.packets).toBeGreaterThanOrEqual(500);
  // What nobody forbids, or nobody allows, would be easy to agree on.
  expect(tally.allowed / tally.packets).toBeGreaterThan(0.1);
  expect(tally.denied / tally.packets).toBeGreaterThan(0.1);
  expect(Object.entries(tally.of).filter(([, packets]) => packets < 10)).toEqual([]);
});

/** Of each place in the rules some, of which each backend has its own. */
const planted = [
  ["iptables", "spoofed sources pass"],
  ["nftables", "the verdict of the first endpoint stays for the second"],
  ["iptables", "end of tier does not drop"],
  ["nftables", "nothing is judged before DNAT"],
  ["iptables", "what the node sends to Services is not judged"],
  ["nftables", "untracked packets are tracked"],
  ["iptables", "source and destination sets are exchanged"],
  ["nftables", "IPv6 sets are empty"],
  ["nftables", "host endpoints are in no map"],
  ["nftables", "every workload has the chain of the last"],
] as const;

test.for(planted)("the kernel of %s shows the planted fault: %s", async ([backend, name]) => {
  const judge = judgeOf(backend);
  const spoil = mutations[name] ?? mapMutations[name];
  if (spoil === undefined) throw new Error(`Cannot plant ${name}: there is no such fault`);
  for (const one of fc.sample(cluster, { numRuns: 200, seed: 1 })) {
    const judging = { connections: connectionsOf(one, 200), spoil };
    if (!judge.foretells(one, judging)) continue;
    const verdicts = await judge.judge(one, judging);
    if (verdicts.some(({ kernelAgrees }) => !kernelAgrees)) return;
  }
  expect.unreachable("every packet was treated as the specification says");
});

test("a disagreement is told as documents to apply, with its seed, the packet and every answer", async () => {
  const spoil = mutations["end of tier does not drop"];
  const runs = { clusters: 20, limitMs: 8_000, seed: 1, ...(spoil && { spoil }) };
  const message =
    /seed 1\)[^#]*# kernel: .*\n# on node-a.*\n# packet: (.|\n)*# specification: denied(.|\n)*kind: Namespace/;
  await expect(assertKernelAgreement(judgeOf("iptables"), noPackets(), runs)).rejects.toThrow(message);
});

const versions = [4, 6] as const;
const everywhere = backends.flatMap((backend) => versions.map((version) => [backend, version] as const));

describe.for(everywhere)("a Service's address, exchanged before policy is asked, %s IPv%i", ([backend, version]) => {
  const clusterIp = parseIp(version === 4 ? "10.96.0.1" : "fd96::1");
  const nodeIp = parseIp(version === 4 ? "172.16.0.1" : "fd01::1");
  const [friend, stranger] = (version === 4 ? ["203.0.113.7", "203.0.113.8"] : ["2001:db8::7", "2001:db8::8"]).map(
    parseIp,
  );
  const nodePort = { party: { ip: nodeIp, node: home }, port: 30_080 };
  const servicePort = { party: { ip: clusterIp }, port: 443 };

  /** Whether each arrives, from its own port; the specification must say the same. */
  async function arrive(one: Cluster, tries: readonly Try[]): Promise<readonly boolean[]> {
    const to = podParty(one, 0, version);
    const connections = tries.map(([from, service], index): Connection => {
      const ends = { from: typeof from === "string" ? { ip: from } : from, to, protocol: 6 };
      const rest = { sourcePort: 41_000 + index, port: 80, state: "NEW", uplink: "eth0" } as const;
      return { ...ends, ...rest, ...(service && { service }) };
    });
    const verdicts = await judgeOf(backend).judge(one, { connections });
    expect(verdicts.filter(({ kernelAgrees }) => !kernelAgrees).map(explainVerdict)).toEqual([]);
    return verdicts.map(({ arrivals }) => arrivals.length > 0);
  }

  test("the pod's policy is about the pod behind it and its own port", async () => {
    const peers = [{ nets: [`${friend}/${version === 4 ? 32 : 128}`] }, { selector: "app == 'b'" }];
    const allow = (port: number) =>
      smallCluster({
        allow: policyFor(
          "app == 'a'",
          peers.map((source) => tcpRule("Allow", port, { source })),
        ),
      });
    const tries = (one: Cluster): Try[] => [
      [friend as Ip, nodePort],
      [stranger as Ip, nodePort],
      [podParty(one, 1, version), servicePort],
      [friend as Ip],
      [stranger as Ip],
    ];
    const [right, wrong] = [allow(80), allow(443)];
    expect(await arrive(right, tries(right))).toEqual([true, false, true, true, false]);
    expect(await arrive(wrong, tries(wrong))).toEqual([false, false, false, false, false]);
  });

  test("preDNAT policy is about the address that it was sent to", async () => {
    const deny = (ip: Ip, port: number) => {
      const destination = { nets: [`${ip}/${version === 4 ? 32 : 128}`] };
      const spec = policyFor("role == 'edge'", [tcpRule("Deny", port, { destination })]);
      return smallCluster({ deny: { ...spec, preDNAT: true, applyOnForward: true } }, { role: "edge" });
    };
    const pod = podParty(smallCluster({}), 0, version).ip;
    const tries: Try[] = [[friend as Ip, nodePort], [friend as Ip]];
    expect(await arrive(deny(nodeIp, 30_080), tries)).toEqual([false, true]);
    expect(await arrive(deny(pod, 80), tries)).toEqual([true, false]);
  });
});

test.for(everywhere)(
  "a known connection goes on when policy changes, and new ones follow it, %s IPv%i",
  async ([backend, version]) => {
    const judge = judgeOf(backend);
    const port = 8080;
    const open = smallCluster({});
    const closed = smallCluster({ deny: policyFor("app == 'b'", []) });
    const [from, to] = [podParty(open, 0, version), podParty(open, 1, version)];
    using server = echoServer(namespaceOf(judge, open, to), port);
    expect(await server.hears("ready", patienceMs)).toBe(true);
    const call = () => caller(namespaceOf(judge, open, from), { ip: to.ip, port });

    await applyPolicy(judge, open);
    using known = call();
    expect(await echoes(known, "before")).toBe(true);

    await applyPolicy(judge, closed);
    expect(await echoes(known, "after")).toBe(true);
    using refused = call();
    expect(await refused.hears("open", 1500)).toBe(false);

    await applyPolicy(judge, open);
    using allowed = call();
    expect(await echoes(allowed, "new")).toBe(true);
    expect(await echoes(known, "last")).toBe(true);
  },
);

// --- internal ---

function judgeOf(backend: Backend): PacketJudge {
  const judge = judges.get(backend);
  if (judge === undefined) throw new Error(`Cannot judge packets of ${backend}: it has no node`);
  return judge;
}

/** From whom, and through what. */
type Try = readonly [from: Ip | Party, service?: NonNullable<Connection["service"]>];

/** What must come does, however busy the machine. */
const patienceMs = 30_000;

function policyFor(selector: string, ingress: readonly object[]): object {
  return { selector, types: ["Ingress"], ingress };
}

function tcpRule(
  action: "Allow" | "Deny",
  port: number,
  peers: { readonly source?: object; readonly destination?: object },
) {
  return { ...peers, action, protocol: "TCP", destination: { ...peers.destination, ports: [port] } };
}

function applyPolicy({ node, options }: PacketJudge, one: Cluster): Promise<void> {
  return node.apply(render(calculate(one, home), options));
}

/** Of the pod that has the address. */
function namespaceOf(judge: PacketJudge, one: Cluster, { pod }: Party): string {
  const attachment = [...(one.attachments.get(home)?.values() ?? [])].find((each) => each.pod === pod);
  return judge.node.pods.get(attachment?.hostInterface ?? "")?.name ?? "";
}

async function echoes(peer: TcpPeer, line: string): Promise<boolean> {
  peer.says(line);
  return peer.hears(line, patienceMs);
}
