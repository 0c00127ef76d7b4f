import type { UnreachablePair } from "../bgp/simulate/lost-pairs.ts";
import type { DownSession } from "../bgp/simulate/network.ts";
import type { PlannedChange } from "../bgp/simulate/plan-change.ts";
import type { SessionChange } from "../bgp/simulate/session-changes.ts";

/** The answer of `bgp plan` for a person: sessions by node, those that would stay down, then who would be cut off. */
export function formatPlannedChange({ nodes, established, down, lost, outOfReach, remarks }: PlannedChange): string {
  const lines = [
    ...(nodes.length === 0
      ? ["No session changes"]
      : nodes.map(({ node, sessions }) => `${node}: ${formatChanges(sessions)}`)),
    `Sessions that come up: ${established.after}, now ${established.before}`,
    ...formatDown(down),
    ...formatLost(lost),
    ...(outOfReach === 0
      ? []
      : [`Out of reach already, and still: ${outOfReach} ${outOfReach === 1 ? "pair" : "pairs"}`]),
    ...remarks.map((remark) => `Note: ${remark}`),
  ];
  return `${lines.join("\n")}\n`;
}

// --- internal ---

const fewSessions = 3;
const fewNodes = 10;
const fewLines = 20;

function formatChanges(sessions: readonly SessionChange[]): string {
  return (["added", "removed", "changed"] as const)
    .map((change) => ({ change, own: sessions.filter((session) => session.change === change) }))
    .filter(({ own }) => own.length > 0)
    .map(({ change, own }) => `${own.length} ${change} (${some(own.map(nameOf), fewSessions)})`)
    .join(", ");
}

function nameOf({ name, fields }: SessionChange): string {
  return fields.length === 0 ? name : `${name}: ${fields.join(", ")}`;
}

function formatDown(down: readonly DownSession[]): readonly string[] {
  const lines = down
    .slice(0, fewLines)
    .map(({ node, name, reason }) => `Would not come up: ${node} ${name}: ${reason}`);
  return down.length > fewLines ? [...lines, `Would not come up: ${down.length - fewLines} more`] : lines;
}

/** Nodes that would lose the same others stand together. */
function formatLost(lost: readonly UnreachablePair[]): readonly string[] {
  if (lost.length === 0) return ["Every node reaches whom it reaches now"];
  const targets = new Map<string, string[]>();
  for (const { from, to } of lost) targets.set(from, [...(targets.get(from) ?? []), to]);
  const groups = new Map<string, { readonly from: string[]; readonly to: readonly string[] }>();
  for (const [from, to] of targets) {
    const group = groups.get(to.join()) ?? { from: [], to };
    group.from.push(from);
    groups.set(to.join(), group);
  }
  const lines = [...groups.values()].map(
    ({ from, to }) => `  ${some(from, fewNodes)} would no longer reach ${some(to, fewNodes)}`,
  );
  const rest = lines.length > fewLines ? [`  and so on: ${lines.length - fewLines} more lines with -o json`] : [];
  return [`Would partition the cluster: ${lost.length} ordered pairs of nodes`, ...lines.slice(0, fewLines), ...rest];
}

function some(names: readonly string[], few: number): string {
  if (names.length <= few + 1) return names.join(", ");
  return `${names.slice(0, few).join(", ")} and ${names.length - few} more`;
}
