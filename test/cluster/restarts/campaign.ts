/** Agents are killed at random under churn, while pods talk and try what they may not. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { NodeLayout } from "../../../lab/layout.ts";
import { inNode } from "../../../lab/node.ts";
import { waitFor } from "../../../lab/wait.ts";
import { backendsTaken, useBackend, wishes } from "./backends-left.ts";
import { Churn } from "./churn.ts";
import { Killer } from "./killer.ts";
import { type BackendWish, felixConfiguration } from "./objects.ts";
import { between, oneOf, type Random } from "./random.ts";
import { type Report, report } from "./report.ts";
import { apply, type Stage } from "./stage.ts";

export interface CampaignOptions {
  readonly random: Random;
  /** Aborted, it ends the campaign. */
  readonly signal: AbortSignal;
}

/** A campaign that goes on. */
export interface Campaign {
  /** What has come of it so far. */
  look(): Promise<Report>;
  /** What has come of it, once it was ended, every agent is up again and every line that was under way has come back. */
  readonly over: Promise<Report>;
}

/** Begins one. Its end rejects when the API server refuses a change, or when the nodes do not come to rest. */
export async function beginCampaign(stage: Stage, { random, signal }: CampaignOptions): Promise<Campaign> {
  const { lab, chronicle } = stage;
  const parts = { chronicle, random };
  const [churn, killer] = [await Churn.of(lab, parts), new Killer(lab, parts)];
  const until = new AbortController();
  signal.addEventListener("abort", () => until.abort());
  let switches = 0;
  let last: BackendWish | undefined;
  const switchOn = async () => {
    for (; !until.signal.aborted; switches++) {
      await sleep(between(4_000, 8_000, random));
      const wish: BackendWish = oneOf(
        Object.values(wishes).filter((one) => one !== last),
        random,
      );
      last = wish;
      await apply(lab, felixConfiguration(wish));
      chronicle.add(`switch to ${Object.values(wish)}`);
    }
  };
  const look = async () =>
    report(stage, { switches, changes: churn.done, killings: killer.done, taken: backendsTaken(logsOf(stage)) });
  const end = async () => {
    await allEnded([churn.go(until.signal), killer.go(until.signal), switchOn()], until);
    await settle(stage);
    await comeHome(stage);
    return look();
  };
  return { look, over: end() };
}

/** What CNI STATUS of the node's agent says: nothing when it is ready. */
export async function cniStatus({ lab }: Pick<Stage, "lab">, node: NodeLayout): Promise<string> {
  const script = "CNI_COMMAND=STATUS CNI_PATH=/opt/cni/bin /opt/cni/bin/calico || true";
  const conf = { ...cniConf, cniVersion: "1.1.0" };
  return inNode(lab.layout, node, ["sh", "-c", script], JSON.stringify(conf));
}

// --- internal ---

/** Ends all of them when one fails. Rejects then, but not before the last has ended. */
async function allEnded(works: readonly Promise<void>[], until: AbortController): Promise<void> {
  const outcomes = works.map((work) =>
    work.catch((error: unknown) => {
      until.abort();
      throw error;
    }),
  );
  await Promise.allSettled(outcomes);
  await Promise.all(outcomes);
}

/** Every agent is ready, and nothing is left of a backend that was used before. */
async function settle(stage: Stage): Promise<void> {
  const { lab } = stage;
  for (const node of lab.layout.nodes) {
    await waitFor(`a ready agent on ${node.name}`, patience, async () => {
      const why = await cniStatus(stage, node);
      if (why !== "") throw new Error(why);
      return true;
    });
  }
  await useBackend(lab, "iptables-nft");
}

/** What was sent last has to come back too; what does not is a breach that its sender tells. */
async function comeHome({ peers, chronicle }: Stage): Promise<void> {
  for (const peer of peers) peer.order({ order: "rest" });
  await waitFor("the last lines", patience, async () => {
    if (chronicle.breaches.length > 0) return true;
    const each = await Promise.all(peers.map((peer) => peer.figures()));
    return each.every(({ sent, echoed, renewing }) => sent === echoed && renewing === 0) || undefined;
  });
}

function logsOf({ lab }: Stage): string {
  return lab.layout.nodes.map(({ folder }) => readFileSync(join(folder, "logs", "agent.log"), "utf8")).join("\n");
}

const patience = { timeoutMs: 90_000, everyMs: 250 };

const cniConf = {
  ...{ name: "k8s-pod-network", type: "calico", datastore_type: "kubernetes" },
  ipam: { type: "calico-ipam" },
};
