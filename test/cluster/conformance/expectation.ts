/**
 * What a truth table should be, in lines a person writes by hand; the last one that holds for a flow decides, and where none
 * does it gets through:
 *
 *   deny any -> x/a
 *   allow x/b, y/* -> x/a on TCP/80, UDP by service
 *
 * Ends: `any`, `pods` (not the host's), `nodes`, `outside`, `NAMESPACE/*`, `* /LETTER` without the blank, or a name.
 */
import { everybody, type Flow } from "./flows.ts";
import { nameOf, nameServer, pods } from "./world.ts";

/** Whether the flow is to get through. */
export type Expectation = (flow: Flow) => boolean;

/**
 * Reads the lines. Two things hold whatever they say, as for Calico and by the Kubernetes documentation ("Pods cannot block
 * access to itself", nor from the node they run on): a pod reaches its own address, which never leaves it, and its node
 * reaches it. Throws a sentence for a line that it cannot read or an end that nobody has.
 */
export function expectation(lines: readonly string[]): Expectation {
  const rules = lines.map(parseLine);
  return (flow) => {
    if (isAlwaysOpen(flow)) return true;
    return rules.findLast(({ matches }) => matches(flow))?.allow ?? true;
  };
}

// --- internal ---

interface Rule {
  readonly allow: boolean;
  readonly matches: (flow: Flow) => boolean;
}

const homes = new Map([...pods, nameServer].map((pod) => [nameOf(pod), pod.node]));

function isAlwaysOpen({ from, to, via }: Flow): boolean {
  return (from === to && via === "address") || homes.get(to) === from;
}

function parseLine(line: string): Rule {
  const pattern = /^(allow|deny) (.+?) -> (.+?)(?: on (.+?))?(?: by (address|service))?$/;
  const [, verdict, from = "", to = "", on, via] = pattern.exec(line) ?? [];
  if (verdict === undefined) throw new Error(`Cannot read the expectation ${JSON.stringify(line)}`);
  const [sources, targets, ends] = [endsOf(from), endsOf(to), on?.split(", ")];
  for (const end of ends ?? []) {
    if (!/^(TCP|UDP|SCTP)(\/\d+)?$|^ICMP$/.test(end)) throw new Error(`Cannot read ${end} in ${JSON.stringify(line)}`);
  }
  return {
    allow: verdict === "allow",
    matches: (flow) =>
      sources.has(flow.from) &&
      targets.has(flow.to) &&
      (ends === undefined || ends.includes(flow.protocol) || ends.includes(`${flow.protocol}/${flow.port}`)) &&
      (via === undefined || via === flow.via),
  };
}

function endsOf(text: string): ReadonlySet<string> {
  return new Set(text.split(", ").flatMap(endsNamed));
}

function endsNamed(word: string): readonly string[] {
  const found = everybody.filter((name) => {
    if (word === "any" || word === name) return true;
    if (word === "pods") return name.includes("/");
    if (word === "nodes") return name.startsWith("node-");
    if (word === "outside") return name.startsWith("outside-");
    return word.includes("*") && name.includes("/") && isLike(name, word);
  });
  if (found.length === 0) throw new Error(`Cannot find ${word} among ${everybody.join(", ")}`);
  return found;
}

function isLike(name: string, word: string): boolean {
  const [namespace, letter] = word.split("/");
  const [ownNamespace, ownLetter] = name.split("/");
  return (namespace === "*" || namespace === ownNamespace) && (letter === "*" || letter === ownLetter);
}
