import { inspect } from "node:util";
import { yamlOf } from "./documents.ts";
import type { Trial } from "./judge.ts";
import type { Party } from "./parties.ts";

/** The objects of the cluster as YAML documents that a person can apply, with the packet and both answers as comments. */
export function explain({ crossing, expected, actual }: Trial): string {
  const { passage, inInterface, source, forbidden } = crossing;
  const { packet, state, node, path, addressedTo } = passage;
  const lines = [
    `on ${node}, ${path}${inInterface === "" ? "" : `, in by ${inInterface}`}${forbidden === undefined ? "" : `, ${forbidden}`}`,
    `packet: ${partyText(packet.from)}${source === undefined ? "" : ` as ${source}`} to ${partyText(packet.to)}, ${state}`,
    `  protocol ${packet.protocol}, ports ${packet.sourcePort} to ${packet.port}${packet.icmp ? `, ICMP ${inspect(packet.icmp)}` : ""}`,
    ...(addressedTo === undefined ? [] : [`  addressed to ${addressedTo.party.ip} port ${addressedTo.port}`]),
    `specification: ${expected.allowed ? "allowed" : "denied"}`,
    ...expected.steps.map(({ stage, verdict, why }) => `  ${stage}: ${verdict}, ${why}`),
    `rendered rules: ${actual.verdict}${actual.untracked ? ", untracked" : ""}`,
  ];
  return `${lines.map((line) => `# ${line}\n`).join("")}${yamlOf(passage.snapshot)}`;
}

// --- internal ---

function partyText({ ip, pod, node }: Party): string {
  return `${ip} (${pod ?? node ?? "outside"})`;
}
