import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import { Bgp } from "../../../../src/agent/bgp/bgp.ts";
import { RunningConfig } from "../../../../src/agent/bgp/running-config.ts";
import type { KindName } from "../../../../src/api/snapshot.ts";
import { BirdDaemon } from "../../../../src/bgp/bird/bird-daemon.ts";
import { LinuxHost } from "../../../../src/host/linux-host.ts";
import { testClock } from "../../../fakes/test-clock.ts";
import { type ClusterWords, clusterSnapshot, nodeName } from "../../bgp/cluster.ts";

const before: ClusterWords = {
  nodes: {},
  pools: { "10.0.0.0/24": {}, "fd00::/112": {} },
  blocks: { "10.0.0.0/30": "host:node-1", "10.0.0.4/30": "host:node-2" },
  attached: ["10.0.0.1"],
};

/** Every plan ends once it has asked for its inputs, as the Node is unknown. */
async function startBgp() {
  const snapshot = { ...clusterSnapshot(before) };
  const clock = testClock();
  const [host, logger, nowhere] = [new LinuxHost(), pino({ level: "silent" }), "/nowhere"];
  let plans = 0;
  const bgp = new Bgp({
    ...{ node: nodeName("node-1"), snapshot, clock, logger },
    daemon: new BirdDaemon({ host, socketPath: nowhere, configPath: nowhere }),
    running: new RunningConfig({ host, path: nowhere, configPath: nowhere, logger }),
    inputs: async () => {
      plans++;
      return { secrets: new Map(), deliverable: new Set(), isDraining: false };
    },
    writeSettled: () => undefined,
  });
  onTestFinished(() => bgp.stop());
  const counted = async (act: () => void) => {
    const [plansBefore, waitsBefore] = [plans, clock.slept.length];
    act();
    await sleep(10);
    return { plans: plans - plansBefore, waits: clock.slept.slice(waitsBefore) };
  };
  bgp.touched(new Set(["ipamBlock", "attachment"]));
  await counted(() => bgp.begin());
  const change = (words: Partial<ClusterWords>, ...kinds: readonly KindName[]) =>
    counted(() => {
      Object.assign(snapshot, clusterSnapshot({ ...before, ...words }));
      bgp.touched(new Set(kinds));
    });
  return { bgp, counted, change };
}

test("pods that come and go in the node's own blocks, and the others' blocks, are planned for later, all by one plan", async () => {
  const { bgp, counted, change } = await startBgp();
  expect(await change({ attached: ["10.0.0.1", "10.0.0.2"] }, "attachment")).toEqual({ plans: 1, waits: [500] });
  const blocks = { ...before.blocks, "10.0.0.4/30": "host:node-3" };
  expect(await change({ blocks }, "ipamBlock")).toEqual({ plans: 1, waits: [500] });
  const many = () => {
    for (let time = 0; time < 20; time++) bgp.touched(new Set(["ipamBlock", "attachment"]));
  };
  expect(await counted(many)).toEqual({ plans: 1, waits: [500] });
});

test.each([
  ["a borrowed address", { attached: ["10.0.0.1", "10.0.0.5"] }, "attachment"],
  ["a borrowed address of IPv6", { attached: ["10.0.0.1", "fd00::1"] }, "attachment"],
  ["a block that the node has no more", { blocks: { "10.0.0.0/30": "host:node-2" } }, "ipamBlock"],
  ["a new block of its own", { blocks: { ...before.blocks, "fd00::/122": "host:node-1" } }, "ipamBlock"],
  ["a pool", { pools: { "10.0.0.0/16": {} } }, "ipPool"],
] as const)("%s is planned for at once", async (_what, words, kind) => {
  const { change } = await startBgp();
  expect(await change(words, kind)).toEqual({ plans: 1, waits: [] });
});

test("where pods peer with the node each of them is planned for at once", async () => {
  const peers = { pods: { localWorkloadSelector: "all()", asNumber: 65000 } };
  const { change } = await startBgp();
  await change({ peers }, "bgpPeer");
  const attached = ["10.0.0.1", "10.0.0.2"];
  expect(await change({ peers, attached }, "attachment")).toEqual({ plans: 1, waits: [] });
});
