import type { Changes } from "./churn.ts";
import type { Killings } from "./killer.ts";
import type { PeerFigures } from "./orders.ts";
import type { Stage } from "./stage.ts";
import { echoPort, figuresOf } from "./traffic.ts";

/** What was done to the agents. */
export interface Deeds {
  readonly killings: Killings;
  /** Backends asked for, and those that agents took up. */
  readonly switches: number;
  readonly taken: ReadonlyMap<string, number>;
  readonly changes: Changes;
}

/** What a campaign has come to. */
export interface Report extends Deeds {
  readonly figures: PeerFigures;
  readonly heldConnections: number;
  /** Packets that the kernels of forbidden places saw arrive. */
  readonly forbiddenPackets: number;
  /** Segments of connections to echo ports that TCP had to send again. */
  readonly retransmitted: number;
  /** What must not have happened, with what led to it. */
  readonly breaches: readonly string[];
}

export async function report(stage: Stage, deeds: Deeds): Promise<Report> {
  const { peers, meters, heldConnections, chronicle } = stage;
  const packets = await Promise.all(meters.map((meter) => meter.packets()));
  const unseen = packets.some((count) => count > 0) && chronicle.breaches.length === 0;
  if (unseen) chronicle.breach(`${packets.reduce((a, b) => a + b)} packets have arrived where none may`);
  return {
    ...deeds,
    heldConnections,
    figures: await figuresOf(peers),
    forbiddenPackets: packets.reduce((a, b) => a + b),
    retransmitted: await retransmitted(stage),
    breaches: [...chronicle.breaches],
  };
}

/** A line for a person. */
export function formatReport({ killings, switches, taken, changes, figures, ...rest }: Report): string {
  const { kills, alone, pauses } = killings;
  const backends = [...taken].map(([name, count]) => `${name} ${count}`).join(", ");
  return [
    `kills ${kills} (the process alone ${alone}), API server paused ${pauses}, backends asked for ${switches}, taken up: ${backends}`,
    `changes ${changes.all} (pods made ${changes.podsMade}, deleted ${changes.podsDeleted}), without an answer ${changes.vain}`,
    `datagrams sent ${figures.datagrams}, SYNs ${figures.syns}, forbidden packets that arrived ${rest.forbiddenPackets}`,
    `${rest.heldConnections} held connections: lines ${figures.echoed} of ${figures.sent}, longest ${Math.round(figures.longestMs)} ms, sent again ${rest.retransmitted}`,
    `new connections ${figures.renewed}, with a SYN sent again ${figures.late}`,
    `breaches ${rest.breaches.length}`,
  ].join("; ");
}

// --- internal ---

async function retransmitted({ peers }: Stage): Promise<number> {
  const inside = peers.filter(({ name }) => name !== "outside");
  const texts = await Promise.all(
    inside.map((peer) => peer.run(["ss", "-tinH", `sport = :${echoPort} or dport = :${echoPort}`])),
  );
  return texts
    .flatMap((text) => [...text.matchAll(/\bretrans:\d+\/(\d+)/g)])
    .reduce((total, [, count]) => total + Number(count), 0);
}
