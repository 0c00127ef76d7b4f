import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** What Node writes with `--cpu-prof`, as far as it is read here. */
interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  /** The node that each sample found on top of the stack. */
  readonly samples: readonly number[];
  /** Microseconds since the sample before. */
  readonly timeDeltas: readonly number[];
}

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  readonly children?: readonly number[];
}

/**
 * The functions that kept a process longest, by the profiles in a folder, each with its callers of this project: itself, and
 * with all that it called, in milliseconds. What an async function awaited is not its own. Rejects when a profile cannot be
 * read.
 */
export async function summariseProfiles(folder: string, most = 40): Promise<string> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".cpuprofile"));
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), "utf8")));
  const rows = texts.flatMap((text) => spentBy(JSON.parse(text) as CpuProfile).slice(0, most));
  const cells = rows.map(
    ({ name, selfMs, totalMs }) => `${[selfMs, totalMs].map((ms) => ms.toFixed(0).padStart(10)).join("")}  ${name}`,
  );
  return [`${"self ms".padStart(10)}${"total ms".padStart(10)}  function`, ...cells].join("\n");
}

// --- internal ---

interface Spent {
  readonly name: string;
  readonly selfMs: number;
  readonly totalMs: number;
}

/** How many of our own callers are told with a function. */
const callersTold = 3;

/** Most of its own first. */
function spentBy({ nodes, samples, timeDeltas }: CpuProfile): readonly Spent[] {
  const ownOf = new Map<number, number>();
  for (const [index, id] of samples.entries()) ownOf.set(id, (ownOf.get(id) ?? 0) + (timeDeltas[index] ?? 0) / 1000);
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const spent = new Map<string, { selfMs: number; totalMs: number }>();
  /** Answers the time of the node and below; what calls itself counts once. */
  const visit = (node: ProfileNode, callers: readonly string[], above: ReadonlySet<string>): number => {
    const own = nameOf(node);
    const name = [own, ...callers.slice(0, callersTold)].join(" < ");
    const selfMs = ownOf.get(node.id) ?? 0;
    const here = new Set(above).add(name);
    const below = isOurs(node) ? [own, ...callers] : callers;
    const children = (node.children ?? []).flatMap((id) => byId.get(id) ?? []);
    const totalMs = children.reduce((sum, child) => sum + visit(child, below, here), selfMs);
    const known = spent.get(name) ?? { selfMs: 0, totalMs: 0 };
    spent.set(name, {
      selfMs: known.selfMs + selfMs,
      totalMs: known.totalMs + (above.has(name) ? 0 : totalMs),
    });
    return totalMs;
  };
  const [root] = nodes;
  if (root !== undefined) visit(root, [], new Set());
  const all = [...spent].map(([name, times]) => ({ name, ...times }));
  return all.filter(({ name }) => !name.startsWith("(idle)")).sort((a, b) => b.selfMs - a.selfMs);
}

/** Of this project: the rest is Node's or a package's. */
function isOurs({ callFrame: { url } }: ProfileNode): boolean {
  return url.startsWith("file:") && !url.includes("/node_modules/");
}

function nameOf({ callFrame: { functionName, url, lineNumber } }: ProfileNode): string {
  const place = url.startsWith("file:") ? ` ${url.split("/").slice(-2).join("/")}:${lineNumber + 1}` : "";
  return `${functionName || "(anonymous)"}${place}`;
}
