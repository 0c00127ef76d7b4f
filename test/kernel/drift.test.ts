import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, test, vi } from "vitest";
import type { RulesBackend } from "../../src/felix/dataplane/event-parts.ts";
import { childCpuMs } from "./child-cpu.ts";
import { type Mutation, mutationsOf, randomFrom } from "./drift-mutations.ts";
import { type DriftNode, makeDriftNode } from "./drift-node.ts";
import { addForeign, countForeign } from "./foreign-rules.ts";

let node: DriftNode;

afterEach(() => node.close());

const waiting = { timeout: 60_000, interval: 20 };

/** Does them, waits until all is as it was, and answers after how many ms each was told to be repaired. */
async function mutate(mutations: readonly Mutation[], right: string): Promise<readonly number[]> {
  const { repairs, run } = node;
  const begun = repairs.length;
  const times = mutations.map(({ program, argv }) => {
    run(program, ...argv);
    return performance.now();
  });
  const parts = new Set(mutations.map(({ part }) => part));
  await vi.waitFor(() => {
    const told = new Set(repairs.slice(begun).map(({ part }) => part));
    expect([...parts].filter((part) => !told.has(part))).toEqual([]);
  }, waiting);
  await vi.waitFor(() => expect(node.own()).toBe(right), { ...waiting, interval: 200 });
  for (const { program, undo } of mutations) if (undo !== undefined) run(program, ...undo);
  const told = repairs.slice(begun);
  return mutations.map(({ part, kind }, index) => {
    const since = times[index] ?? 0;
    const first =
      told.find((repair) => repair.part === part && repair.at >= since) ?? told.findLast((one) => one.part === part);
    expect(first, `${kind} is told`).toBeDefined();
    return Math.max(0, (first?.at ?? 0) - since);
  });
}

describe.for<RulesBackend>(["iptables-nft", "iptables-legacy", "nftables"])("drift on %s", (backend) => {
  test("of 200 random kinds is found and put right, and what others have stays as it is", async () => {
    node = await makeDriftNode(backend);
    const foreign = addForeign(node);
    expect(countForeign()).toBe(20);
    node.sentinel.start();
    await vi.waitFor(() => expect(node.proofs.length).toBeGreaterThanOrEqual(2), waiting);
    // Others have appended to hook chains: ours may be put last again first.
    await vi.waitFor(async () => expect(await node.dataplane.drift(node.state)).toEqual([]), waiting);
    const before = foreign.save();
    const right = node.own();
    const random = randomFrom(Number(process.env["DRIFT_SEED"] ?? 20261122));
    const latencies = new Map<string, number[]>();
    for (let round = 0; round < 20; round++) {
      const mutations = mutationsOf(node, random);
      const times = await mutate(mutations, right);
      for (const [index, { kind }] of mutations.entries()) {
        latencies.set(kind, [...(latencies.get(kind) ?? []), times[index] ?? Number.NaN]);
      }
    }
    expect(foreign.save()).toBe(before);
    expect(node.failures).toEqual([]);
    expect([...latencies.values()].flat()).toHaveLength(200);
    print(backend, latencies);
    if (backend !== "iptables-legacy") expectNamed("rules", /^(iptables|ip6tables|nft)/);
  });
});

/** The kernel has told who each repair of this part was for. */
function expectNamed(part: string, name: RegExp): void {
  const found = node.repairs.filter((repair) => repair.part === part);
  expect(found.length).toBeGreaterThan(0);
  for (const { by, found: drift } of found) {
    expect(
      by.map(({ process }) => process ?? ""),
      JSON.stringify(drift),
    ).toContainEqual(expect.stringMatching(name));
    expect(by.every(({ pid }) => (pid ?? 0) > 0)).toBe(true);
  }
}

function print(backend: string, latencies: ReadonlyMap<string, readonly number[]>): void {
  const rows = [...latencies]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([kind, times]) => {
      const sorted = times.toSorted((a, b) => a - b);
      return `  ${kind}: ${times.length}×, p50 ${Math.round(sorted[Math.floor(sorted.length / 2)] ?? 0)} ms, max ${Math.round(sorted.at(-1) ?? 0)} ms`;
    });
  const named = (part: string) => {
    const all = node.repairs.filter((repair) => repair.part === part);
    return `${part} ${all.filter(({ by }) => by.some(({ process }) => process !== undefined)).length}/${all.length}`;
  };
  process.stdout.write(
    [
      `${backend}: from the change to its repair`,
      ...rows,
      `  with a process named: ${["rules", "sets", "routes", "links"].map(named).join(", ")}`,
    ]
      .join("\n")
      .concat("\n"),
  );
}

test("a process that changes routes and lives on is named", async () => {
  node = await makeDriftNode("nftables");
  node.sentinel.start();
  await vi.waitFor(() => expect(node.proofs).toHaveLength(2), waiting);
  const program = node.start("ip", "-batch", "-");
  program.stdin.write("route del 192.168.1.1\n");
  await vi.waitFor(() => expect(node.repairs).toHaveLength(1), waiting);
  program.stdin.end();
  expect(node.repairs[0]).toMatchObject({
    part: "routes",
    found: [{ where: "route 192.168.1.1/32 dev cali0a1b2c3d4e5", difference: "it is not there" }],
    since: "event",
    by: [{ port: program.pid, process: "ip" }],
  });
});

test("our own writing is nobody's drift, and what others do elsewhere asks for no proof", async () => {
  node = await makeDriftNode("iptables-nft");
  node.sentinel.start();
  await vi.waitFor(() => expect(node.proofs).toHaveLength(2), waiting);
  await sleep(200);
  const quiet = () => node.proofs.filter((parts) => parts !== "settings" && parts !== "sets");
  const before = quiet().length;
  await node.dataplane.apply({ ...node.state, tables: new Map(), routes: new Map() });
  await node.dataplane.apply(node.state);
  node.script(
    "nft add table ip other\niptables-nft -N OTHER\niptables-nft -A OTHER -j ACCEPT\nip route add 10.7.0.0/16 dev eth0\nip link set eth0 mtu 1400\n",
  );
  await sleep(500);
  expect(quiet().slice(before)).toEqual([]);
  node.script("iptables-nft -F cali-FORWARD");
  await vi.waitFor(() => expect(quiet().length).toBeGreaterThan(before), waiting);
});

test("periodic proofs alone, of what has no events, cost little", async () => {
  node = await makeDriftNode("iptables-legacy");
  node.sentinel.start();
  await sleep(200);
  const begun = { children: childCpuMs(), own: process.cpuUsage(), at: performance.now() };
  await sleep(5000);
  const seconds = (performance.now() - begun.at) / 1000;
  const { user, system } = process.cpuUsage(begun.own);
  const children = childCpuMs() - begun.children;
  process.stdout.write(
    `legacy rules, sets and sysctls looked at every second: ${((user + system) / 1000 / seconds).toFixed(1)} ms of CPU a second here, ${(children / seconds).toFixed(1)} in programs\n`,
  );
  expect(node.repairs).toEqual([]);
  expect(node.proofs.length).toBeGreaterThan(4);
});
