import { pino } from "pino";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Felix } from "../../src/agent/felix.ts";
import { type NodeName, namespacedName } from "../../src/api/names.ts";
import { attachmentKey } from "../../src/api/objects.ts";
import type { Change } from "../../src/api/snapshot.ts";
import { NodeCalculator } from "../../src/felix/calc/node-calculator.ts";
import { Dataplane } from "../../src/felix/dataplane/dataplane.ts";
import { defaultRenderOptions } from "../../src/felix/render/options.ts";
import { systemClock } from "../../src/host/clock.ts";
import { type NftBench, nftBench } from "./rules-benches.ts";

const nothing = async () => undefined;
const noDrift = async () => [];
const forget = () => undefined;

let bench: NftBench;
let felix: Felix;

beforeEach(() => {
  bench = nftBench();
  const dataplane = new Dataplane({
    rules: bench.newDriver(),
    routes: { upsert: nothing, prune: nothing, drift: noDrift, forget },
    shapings: { upsert: nothing, prune: nothing, forget },
  });
  felix = new Felix({
    podsToCome: () => 0,
    dataplane,
    renderOptions: { ...defaultRenderOptions, backend: "nftables" },
    clock: systemClock,
    calculator: new NodeCalculator("node-1" as NodeName),
    logger: pino({ level: "silent" }),
  });
});

afterEach(() => {
  felix.stop();
  bench[Symbol.dispose]();
});

const attached = (hostInterface: string): Change => {
  const pod = namespacedName("shop", hostInterface);
  const common = { containerId: hostInterface, interfaceName: "eth0", netns: "/run/netns/x", podUid: undefined };
  const value = { ...common, hostInterface, pod, addresses: [], mtu: 1500 };
  return { kind: "attachment", key: attachmentKey(value), value };
};

test("what nftables lost of one endpoint's rules is told, and no other's", async () => {
  await felix.begin();
  await felix.apply(["calia1", "calia2"].map(attached));
  expect(await felix.policyFaults("calia1")).toEqual([]);
  bench.nft("flush", "chain", "ip", "calico", "filter-cali-fw-calia1");
  bench.nft("insert", "rule", "ip6", "calico", "filter-cali-tw-calia2", "accept");
  expect(await felix.policyFaults("calia1")).toEqual([
    expect.stringMatching(/^chain filter-cali-fw-calia1 of nftables table ip calico has 0 rules, not \d+$/),
  ]);
  expect(await felix.policyFaults("calia2")).toEqual([
    expect.stringMatching(/^chain filter-cali-tw-calia2 of nftables table ip6 calico has (\d+) rules, not \d+$/),
  ]);
});

test("an entry of the dispatch that is gone, or leads past the endpoint's chain, is told", async () => {
  await felix.begin();
  await felix.apply(["calia1", "calia2"].map(attached));
  const [map] = /filter-cali-from-wl-dispatch\S*/.exec(bench.nft("list", "maps", "ip")) ?? [];
  bench.nft("delete", "element", "ip", "calico", `${map}`, "{ calia1 }");
  const told = [`map ${map} of nftables table ip calico does not lead calia1 to filter-cali-fw-calia1`];
  expect(await felix.policyFaults("calia1")).toEqual(told);
  bench.nft("add", "element", "ip", "calico", `${map}`, "{ calia1 : goto filter-cali-fw-calia2 }");
  expect(await felix.policyFaults("calia1")).toEqual(told);
  expect(await felix.policyFaults("calia2")).toEqual([]);
});

test("a pass that changes nothing leaves the kernel as it is, handles and all, and a pod that goes leaves nothing", async () => {
  await felix.begin();
  await felix.apply([attached("calia1")]);
  const before = bench.dump();
  await felix.apply([attached("calia2")]);
  expect(bench.dump()).toContain("filter-cali-fw-calia2");
  const { key } = attached("calia2") as { key: string };
  await felix.apply([{ kind: "attachment", key, value: undefined } as Change]);
  const sorted = (text: string) =>
    text
      .replaceAll(/ # handle \d+/g, "")
      .split("\n")
      .sort();
  expect(sorted(bench.dump())).toEqual(sorted(before));
});
