/** Rules and matches that several chains have. */
import type { Hook, Match, Rule } from "./desired-state.ts";
import { type Marks, markSet, setMark } from "./marks.ts";
import type { Family } from "./options.ts";

/** The rule that has packets go through a chain and come back. */
export function jump(chain: string, ...matches: readonly Match[]): Rule {
  return { matches, action: { kind: "jump", chain } };
}

/** Accepts what policy has allowed, or lets it return: then the rules behind ours decide. */
export function accepted({ accept }: Marks, kind: "accept" | "return" = "accept"): Rule {
  return { matches: [markSet(accept)], action: { kind }, comment: "Policy explicitly accepted packet" };
}

/** In filter: accepts what matches, or lets it return with the accept bit. */
export function allowing({ matches, comment }: Omit<Rule, "action">, { options }: Family): readonly Rule[] {
  const said = comment === undefined ? {} : { comment };
  const { accept } = options.marks;
  if (options.allowAction.filter === "accept") return [{ matches, action: { kind: "accept" }, ...said }];
  return [
    { ...setMark(matches, accept, accept), ...said },
    { matches, action: { kind: "return" } },
  ];
}

/** Accepts what belongs to a connection whose first packet was judged. */
export const knownConnection: Rule = {
  matches: [{ kind: "connection", states: ["RELATED", "ESTABLISHED"] }],
  action: { kind: "accept" },
};

/** Holds for what a workload of the node sends. */
export function fromWorkload({ options }: Family): Match {
  return { kind: "in-interface", name: `${options.interfacePrefix}+`, negated: false };
}

/** Holds for what goes to a workload of the node. */
export function toWorkload({ options }: Family): Match {
  return { kind: "out-interface", name: `${options.interfacePrefix}+`, negated: false };
}

/** Holds for what no workload of the node sends, and so for what a host endpoint may have a say in. */
export function notFromWorkload({ options }: Family): Match {
  return { kind: "in-interface", name: `${options.interfacePrefix}+`, negated: true };
}

/** Holds for what goes to no workload of the node. */
export function notToWorkload({ options }: Family): Match {
  return { kind: "out-interface", name: `${options.interfacePrefix}+`, negated: true };
}

/** Our jump from a chain that is not ours, in the place that is configured, and what always stands last there. */
export function hookFor(rule: Rule, { options }: Family, last: readonly Rule[] = []): Hook {
  if (options.hookPlace === "insert") return { inserted: [rule], appended: last };
  return { inserted: [], appended: [rule, ...last] };
}
