/** An agent that is killed, at whatever moment, lets nothing through that is forbidden and breaks nothing that is allowed. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { readPods } from "../../lab/lab-pods.ts";
import { nodeNamed } from "../../lab/layout.ts";
import { killDaemon, releaseDaemon } from "../../lab/node.ts";
import { removeLab } from "../../lab/state.ts";
import { waitFor } from "../../lab/wait.ts";
import { beginCampaign, cniStatus } from "./restarts/campaign.ts";
import { pauseApiServer } from "./restarts/killer.ts";
import { addNewcomer, annotatedIp, forbidAnnotations } from "./restarts/newcomer.ts";
import { Peer } from "./restarts/peer.ts";
import { formatReport } from "./restarts/report.ts";
import { type Stage, setStage } from "./restarts/stage.ts";
import { echoPort, figuresOf, intrude, placeIn, placeOf } from "./restarts/traffic.ts";

const name = "felixrestarts";
const campaignMs = 40_000;
const patience = { timeoutMs: 90_000, everyMs: 100 };
let stage: Stage;

beforeAll(async () => {
  stage = await setStage(name);
});

afterAll(async () => {
  await stage?.[Symbol.asyncDispose]();
  await removeLab(name);
});

test("a pod keeps its connections when the agent is killed between ADD's answer and the pod's patch, the API server away", async () => {
  const { lab } = stage;
  const node = nodeNamed(lab.layout, "node-1");
  const breaches: string[] = [];
  const onBreach = (breach: string) => breaches.push(breach);
  await using undo = new AsyncDisposableStack();
  await killDaemon(lab.layout, node, "runtime", "down");
  undo.defer(() => releaseDaemon(node, "runtime"));
  const allowAnnotations = await forbidAnnotations(lab, undo);

  const newcomer = await addNewcomer(lab, node, undo);
  const peer = undo.use(await Peer.start(placeIn(lab, node, newcomer), onBreach));
  const opens = (await readPods(lab)).filter(({ app }) => app === "open");
  const others = await Promise.all(
    opens.map(async (pod) => {
      const place = { ...placeOf(lab, pod), ports: { echo: [], watched: [] } };
      return undo.use(await Peer.start(place, onBreach));
    }),
  );
  const peers = [peer, ...others];
  await Promise.all(others.flatMap((other) => [peer.hold(other, echoPort), other.hold(peer, echoPort)]));
  intrude([
    ...others.map((other) => [other, peer] as const),
    ...([1, 2] as const).map((number) => [peer, stage.peer("server", number)] as const),
  ]);
  for (const other of others) {
    peer.order({ order: "renew", to: { ...nameAndAddress(other), port: echoPort } });
    other.order({ order: "renew", to: { ...nameAndAddress(peer), port: echoPort } });
  }
  const goesOn = async () => {
    const before = await figuresOf(peers);
    await waitFor("lines that go on, and new connections", patience, async () => {
      const { echoed, renewed } = await figuresOf(peers);
      return (echoed > before.echoed + 200 && renewed > before.renewed + 10) || breaches.length > 0 || undefined;
    });
    expect(breaches).toEqual([]);
  };
  await goesOn();
  expect(await annotatedIp(lab)).toBeUndefined();

  const resume = pauseApiServer(lab);
  try {
    await killDaemon(lab.layout, node, "agent");
    await waitFor("an agent that waits for the API server", patience, async () => {
      const status = await cniStatus(stage, node);
      if (status.includes("has not yet read everything from the API server")) return true;
      throw new Error(`it says ${JSON.stringify(status)}`);
    });
    await goesOn();
  } finally {
    resume();
  }
  await waitFor("a ready agent", patience, async () => (await cniStatus(stage, node)) === "" || undefined);
  await goesOn();
  expect(await annotatedIp(lab)).toBeUndefined();
  await allowAnnotations();
  await waitFor("the pod's annotation", patience, async () => (await annotatedIp(lab)) ?? undefined);
  await goesOn();
  expect(await annotatedIp(lab)).toBe(`${newcomer.address}/32`);
  expect((await figuresOf(peers)).arrivals).toBe(0);
});

test("no forbidden packet arrives and no allowed connection breaks, however often agents are killed", {
  timeout: 400_000,
}, async () => {
  const signal = AbortSignal.timeout(campaignMs);
  const campaign = await beginCampaign(stage, { random: Math.random, signal });
  const report = await campaign.over;
  process.stdout.write(`${formatReport(report)}\n`);
  expect(report.breaches).toEqual([]);
  expect(report.forbiddenPackets).toBe(0);
  expect(report.figures.echoed).toBe(report.figures.sent);
  // All of this would hold where nothing happens, too.
  const { killings, switches, changes, figures } = report;
  const counts = [killings.kills, killings.pauses, switches, changes.all, changes.podsMade, changes.podsDeleted];
  expect(Math.min(...counts)).toBeGreaterThan(0);
  expect(report.taken.size).toBeGreaterThan(1);
  expect(Math.min(figures.datagrams, figures.syns, figures.renewed)).toBeGreaterThan(0);
  expect(figures.echoed).toBeGreaterThan(report.heldConnections * 100);
});

function nameAndAddress({ name: peerName, address }: Peer) {
  return { name: peerName, address };
}
