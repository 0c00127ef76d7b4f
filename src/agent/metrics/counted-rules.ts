/** Which policy a rule in the kernel counts for. */
import type { RuleCounterSource } from "../../felix/dataplane/rule-counters.ts";
import type { DesiredState, Rule } from "../../felix/render/desired-state.ts";

/** What the packets that one rule has matched count for. */
export interface Counted {
  /** A policy's id, or `tier/NAME`: what no policy of the tier has decided and was denied at its end. */
  readonly policy: string;
  readonly direction: "ingress" | "egress";
  /** `none`: it decides nothing there, as its policy is staged. */
  readonly action: "allow" | "deny" | "pass" | "log" | "none";
  /** The rule's place in its policy; absent at the end of a tier. */
  readonly rule?: string;
}

/** The bits of packet marks that mean an allow and a pass; those of the render options. */
export interface VerdictMarks {
  readonly accept: number;
  readonly pass: number;
}

/** By place (`RuleCounter.place`): what of the state counts for something. */
export function countedRules(
  state: Pick<DesiredState, "tables">,
  source: Pick<RuleCounterSource, "places">,
  marks: VerdictMarks,
): ReadonlyMap<string, Counted> {
  const counted = new Map<string, Counted>();
  for (const table of state.tables.values()) {
    for (const [chain, places] of source.places(table)) {
      const rules = table.chains.get(chain) ?? [];
      for (const [index, rule] of rules.entries()) {
        const [place, found] = [places[index], countedAs(chain, rule, marks)];
        if (place !== undefined && found !== undefined) counted.set(place, found);
      }
    }
  }
  return counted;
}

// --- internal ---

function countedAs(chain: string, { comment = "", action }: Rule, marks: VerdictMarks): Counted | undefined {
  const [, policy, direction, rule] = /^(\S+) (ingress|egress) rule (\d+)(?: |$)/.exec(comment) ?? [];
  if (policy !== undefined && rule !== undefined && (direction === "ingress" || direction === "egress")) {
    return { policy, direction, action: actionOf(action, marks), rule };
  }
  const [, tier] = /^End of tier (\S+)\. /.exec(comment) ?? [];
  const [, end] = /^cali-([tf])[wh]/.exec(chain) ?? [];
  if (tier === undefined || end === undefined) return undefined;
  // To a workload, and from the interface of a host endpoint, is into the endpoint.
  const isIngress = chain.startsWith("cali-tw-") || chain.startsWith("cali-fh");
  return { policy: `tier/${tier}`, direction: isIngress ? "ingress" : "egress", action: "deny" };
}

function actionOf(action: Rule["action"], { accept, pass }: VerdictMarks): Counted["action"] {
  switch (action.kind) {
    case "drop":
    case "reject":
      return "deny";
    case "log":
      return "log";
    case "set-mark":
      if (action.value === accept) return "allow";
      return action.value === pass ? "pass" : "none";
    default:
      return "none";
  }
}
