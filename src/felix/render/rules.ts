/** Rules and matches that several chains have. */
import type { Match, Rule } from "./desired-state.ts";
import { type Marks, markSet } from "./marks.ts";
import type { Family } from "./options.ts";

/** The rule that has packets go through a chain and come back. */
export function jump(chain: string, ...matches: readonly Match[]): Rule {
  return { matches, action: { kind: "jump", chain } };
}

/** Accepts what policy has allowed. */
export function accepted({ accept }: Marks): Rule {
  return { matches: [markSet(accept)], action: { kind: "accept" }, comment: "Policy explicitly accepted packet" };
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
