/**
 * Compares the rules that random clusters come to, and real packets on a node that has them, with what the specifications of
 * policy say, for as long as `MINUTES` says (default 10), on ever new seeds. Prints a line a minute and a summary; ends non-zero
 * at the first disagreement, with its seed and the objects that a person can apply.
 */
import { PacketJudge } from "../kernel/packets/judge-packets.ts";
import { assertKernelAgreement, noPackets, packetsText } from "../kernel/packets/kernel-agreement.ts";
import { assertAgreement, decisionsText, noTally, tallyText } from "../oracle/agreement.ts";
import { calculate } from "../oracle/planners.ts";

const minutes = Number(process.env["MINUTES"] ?? "10");
if (!(minutes > 0)) throw new Error(`Cannot run for MINUTES=${process.env["MINUTES"]}: give a number above 0`);
const end = performance.now() + minutes * 60_000;
const clustersPerSeed = 50;

/** On a real node: a cluster costs the kernel about a second. */
const clustersOnNode = 10;

await using iptables = await PacketJudge.start("iptables");
await using nftables = await PacketJudge.start("nftables");
const packets = noPackets();
const tally = noTally();
let seed = Math.floor(Math.random() * 2 ** 31);
say(`first seed ${seed}`);
let nextLine = performance.now() + 60_000;
while (performance.now() < end) {
  assertAgreement({ planner: calculate }, tally, { numRuns: clustersPerSeed, seed });
  const limitMs = Math.max(0, end - performance.now());
  // In turn: the seeds of two rounds are never the same.
  await assertKernelAgreement(seed % 2 === 0 ? iptables : nftables, packets, {
    clusters: clustersOnNode,
    limitMs,
    seed,
  });
  seed = (seed + 1) % 2 ** 31;
  if (performance.now() < nextLine) continue;
  say(`next seed ${seed}: ${tallyText(tally)}; on a node: ${packetsText(packets)}`);
  nextLine += 60_000;
}
say(decisionsText(tally));
say(`on a node: ${packetsText(packets)}`);
say(`soak: ${tallyText(tally)}, disagreements 0`);

// --- internal ---

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
