import { execFile } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { pino } from "pino";
import { expect, onTestFinished, test, vi } from "vitest";
import { Felix } from "../../src/agent/felix.ts";
import { parseCalicoNetworkPolicy } from "../../src/api/calico-network-policy.ts";
import { parseIpPool } from "../../src/api/ip-pool.ts";
import { type NodeName, namespacedName } from "../../src/api/names.ts";
import type { Change } from "../../src/api/snapshot.ts";
import { NodeCalculator } from "../../src/felix/calc/node-calculator.ts";
import { Dataplane } from "../../src/felix/dataplane/dataplane.ts";
import type { RulesBackend } from "../../src/felix/dataplane/event-parts.ts";
import { variantPrograms } from "../../src/felix/dataplane/iptables-programs.ts";
import { IptablesRules } from "../../src/felix/dataplane/iptables-rules.ts";
import { NftRules } from "../../src/felix/dataplane/nft-rules.ts";
import { NetlinkRouteDriver } from "../../src/felix/dataplane/route-driver.ts";
import { type Prover, Sentinel } from "../../src/felix/dataplane/sentinel.ts";
import { printTable } from "../../src/felix/render/iptables.ts";
import { defaultRenderOptions } from "../../src/felix/render/options.ts";
import { systemClock } from "../../src/host/clock.ts";
import { openNftables } from "../../src/host/netlink/nftables-netlink.ts";
import { openNetlink } from "../../src/host/netlink/route-netlink.ts";
import { openSetNetlink } from "../../src/host/netlink/set-netlink.ts";
import { NamespaceHost } from "./namespace-host.ts";
import { makeNamespace } from "./netlink-namespaces.ts";
import { shop } from "./shop-pod.ts";

/** So many rules that reading them takes several passes' time. */
const policyCount = 3;
const rulesOfEach = 1000;
const pauseMs = 5;
const rounds = [1, 2, 3];

const run = promisify(execFile);

test.each<RulesBackend>(["iptables-legacy", "iptables-nft", "nftables"])(
  "what others change in %s is found and put right while passes come without a pause",
  async (backend) => {
    const { felix, dataplane, chain, flush, ruleCount } = await churningNode(backend);
    const { prover, proofs } = watched(felix);
    const churn = startChurn(felix);
    const repaired: string[] = [];
    const failures: unknown[] = [];
    const sentinel = new Sentinel({
      ...{ provers: [prover], partsOf: () => [], periodsMs: { rules: 200 }, clock: systemClock },
      onRepaired: ({ found }) => repaired.push(...found.map(({ where }) => where)),
      onFailure: (error) => failures.push(error),
    });
    sentinel.start();
    onTestFinished(() => sentinel.stop());
    for (const round of rounds) {
      await sleep(1000);
      const passes = churn.latencies.length;
      await flush();
      await vi.waitFor(() => expect(repaired).toHaveLength(round), { timeout: 30_000, interval: 20 });
      expect(await ruleCount()).toBeGreaterThan(0);
      expect(churn.latencies.length).toBeGreaterThan(passes);
    }
    await churn.stop();
    await sentinel.stop();
    expect(repaired).toEqual(rounds.map(() => expect.stringContaining(`chain ${chain}`)));
    expect(failures).toEqual([]);
    const sure = proofs.filter(({ isSure }) => isSure);
    // Else nothing was in the way of proofs, and of the readings that they are made of.
    expect(proofs.length + dataplane.readings).toBeGreaterThan(2 * sure.length);
    const { latencies } = churn;
    process.stdout.write(
      `${backend}, ${policyCount * rulesOfEach} rules: ${latencies.length} passes, from the change to the kernel ${spread(latencies)}; ` +
        `${dataplane.readings} readings, ${proofs.length - sure.length} proofs overtaken, ${sure.length} sure after ${spread(sure.map(({ ms }) => ms))}\n`,
    );
  },
);

class CountedDataplane extends Dataplane {
  readings = 0;

  override drift(...args: Parameters<Dataplane["drift"]>) {
    this.readings++;
    return super.drift(...args);
  }
}

/** A Felix of one pod with many rules, in a namespace of its own, that has begun. */
async function churningNode(backend: RulesBackend) {
  const namespace = makeNamespace();
  const netlink = openNetlink(namespace.path);
  const sets = openSetNetlink(namespace.path);
  const nftables = openNftables(namespace.path);
  const programs = variantPrograms[backend === "iptables-legacy" ? "legacy" : "nft"];
  const iptables = new IptablesRules({ host: new NamespaceHost(namespace.name), sets, print: printTable, programs });
  const isNative = backend === "nftables";
  const dataplane = new CountedDataplane({
    rules: isNative ? new NftRules(nftables) : iptables,
    routes: new NetlinkRouteDriver(netlink, "cali"),
    shapings: { upsert: async () => {}, prune: async () => {}, forget: () => {} },
  });
  const felix = new Felix({
    podsToCome: () => 0,
    ...{ dataplane, calculator: new NodeCalculator("node-1" as NodeName) },
    renderOptions: { ...defaultRenderOptions, backend: isNative ? "nftables" : "iptables" },
    ...{ clock: systemClock, logger: pino({ level: "silent" }) },
  });
  onTestFinished(async () => {
    felix.stop();
    await felix.ended();
    iptables.close();
    for (const socket of [netlink, sets, nftables]) socket.close();
    namespace[Symbol.dispose]();
  });
  await felix.begin();
  const policies = Array.from({ length: policyCount }, (_, index) => policy(`many-${index}`, rulesOfEach));
  await felix.apply([...shop(), ...policies, pool(0)]);
  const chain = isNative ? "filter-cali-FORWARD" : "cali-FORWARD";
  const [flush, list] = isNative
    ? [`nft flush chain ip calico ${chain}`, `nft list chain ip calico ${chain}`]
    : [`${backend} -w -F ${chain}`, `${backend} -w -S ${chain}`];
  // Passes go on meanwhile.
  const inside = (line: string) => run("ip", ["netns", "exec", namespace.name, ...line.split(" ")]);
  const ruleCount = async () => (await inside(list)).stdout.split("cali:").length - 1;
  return { felix, dataplane, chain, flush: () => inside(flush), ruleCount };
}

/** The same, which notes how each proof has gone. */
function watched(felix: Felix) {
  const proofs: { readonly isSure: boolean; readonly ms: number }[] = [];
  const prover: Prover = {
    parts: new Set(["rules"]),
    drift: async (parts, insists) => {
      const begunAt = performance.now();
      const found = await felix.drift(parts, insists);
      proofs.push({ isSure: found !== undefined, ms: performance.now() - begunAt });
      return found;
    },
    repair: () => felix.repair(),
  };
  return { prover, proofs };
}

/** For ever changes a set and the number of a chain's rules, one pass after the other. */
function startChurn(felix: Felix) {
  const latencies: number[] = [];
  let isOn = true;
  const run = async () => {
    for (let round = 1; isOn; round++) {
      const begunAt = performance.now();
      await felix.apply([pool(round), policy("other", 1 + (round % 2))]);
      latencies.push(performance.now() - begunAt);
      await sleep(pauseMs);
    }
  };
  const running = run();
  const stop = () => {
    isOn = false;
    return running;
  };
  onTestFinished(stop);
  return { latencies, stop };
}

const pool = (round: number): Change => {
  const value = parseIpPool({
    metadata: { name: "pool" },
    spec: { cidr: `10.${round % 250}.0.0/16`, natOutgoing: true },
  });
  return { kind: "ipPool", key: "pool", value };
};

const policy = (name: string, count: number): Change => {
  const ingress = Array.from({ length: count }, (_, index) => ({
    action: "Allow",
    source: { nets: [`172.16.${index >> 8}.${index & 255}/32`] },
  }));
  const json = { metadata: { name, namespace: "shop", uid: name }, spec: { ingress } };
  return { kind: "calicoNetworkPolicy", key: namespacedName("shop", name), value: parseCalicoNetworkPolicy(json) };
};

function spread(times: readonly number[]): string {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => Math.round(sorted[Math.floor(sorted.length * share)] ?? sorted.at(-1) ?? 0);
  return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms`;
}
