/** Faults planted in what was rendered: each must be seen by the judge. */
import type { DesiredState, IpSet, Match, Rule, Side } from "../../src/felix/render/desired-state.ts";
import { defaultRenderOptions } from "../../src/felix/render/options.ts";

type Mutation = (state: DesiredState) => DesiredState;

const { marks } = defaultRenderOptions;

export const mutations: Readonly<Record<string, Mutation>> = {
  "end of tier does not drop": withRules((rule) => (rule.comment?.startsWith("End of tier") ? [] : [rule])),
  "closed endpoints are open": withRules((rule) =>
    rule.comment === "Endpoint has no pod" ? [{ ...rule, action: setMark(marks.accept, marks.accept) }] : [rule],
  ),
  "unknown interfaces pass": withRules((rule) => (rule.comment === "Unknown interface" ? [] : [rule])),
  "exceptions are forgotten": withRules((rule) =>
    rule.action.kind === "set-mark" && rule.action.value === 0 && rule.matches.some(({ kind }) => kind === "net")
      ? []
      : [rule],
  ),
  "source and destination sets are exchanged": withMatches((match) =>
    match.kind === "set" ? { ...match, side: otherSide(match.side) } : match,
  ),
  "source and destination ports are exchanged": withMatches((match) =>
    match.kind === "ports" ? { ...match, side: otherSide(match.side) } : match,
  ),
  "ranges are one port short": withMatches((match) =>
    match.kind === "ports"
      ? { ...match, ports: match.ports.map(({ first, last }) => ({ first, last: Math.max(first, last - 1) })) }
      : match,
  ),
  "only the first part of many ports counts": withRules((rule, index, chain) => {
    const isPart = (one: Rule | undefined) =>
      one?.comment === undefined && one?.matches.some(({ kind }) => kind === "ports");
    return isPart(rule) && isPart(chain[index - 1]) ? [] : [rule];
  }),
  "protocols are not looked at": withRules((rule) => [
    { ...rule, matches: rule.matches.filter(({ kind }) => kind !== "protocol") },
  ]),
  "sets are not looked at": withRules((rule) => [
    { ...rule, matches: rule.matches.filter(({ kind }) => kind !== "set") },
  ]),
  "networks are not looked at": withRules((rule) => [
    { ...rule, matches: rule.matches.filter(({ kind }) => kind !== "net") },
  ]),
  "the verdict of the first endpoint stays for the second": withRules((rule) =>
    rule.action.kind === "set-mark" && rule.action.mask === marks.accept && rule.action.value === 0 ? [] : [rule],
  ),
  "IPv6 sets are empty": withSets((set) => (set.version === 6 ? { ...set, members: new Set() } : set)),
  "spoofed sources pass": withRules((rule) =>
    rule.matches.some(({ kind }) => kind === "reverse-path-failed") ? [] : [rule],
  ),
  "the node cannot reach its pods": withRules((rule, _, __, chain) =>
    chain === "cali-OUTPUT" ? [{ ...rule, action: { kind: "drop" } }] : [rule],
  ),
  "what a workload sends its node is not judged": withRules((rule, _, __, chain) =>
    chain === "cali-wl-to-host" && rule.action.kind === "jump" ? [] : [rule],
  ),
};

// --- internal ---

type Rewrite = (rule: Rule, index: number, chain: readonly Rule[], name: string) => readonly Rule[];

function withRules(rewrite: Rewrite): Mutation {
  return (state) => ({
    ...state,
    tables: new Map(
      [...state.tables].map(([key, table]) => [
        key,
        {
          ...table,
          chains: new Map(
            [...table.chains].map(([name, rules]) => [
              name,
              rules.flatMap((rule, index) => rewrite(rule, index, rules, name)),
            ]),
          ),
        },
      ]),
    ),
  });
}

function withMatches(rewrite: (match: Match) => Match): Mutation {
  return withRules((rule) => [{ ...rule, matches: rule.matches.map(rewrite) }]);
}

function withSets(rewrite: (set: IpSet) => IpSet): Mutation {
  return (state) => ({ ...state, sets: new Map([...state.sets].map(([name, set]) => [name, rewrite(set)])) });
}

function setMark(value: number, mask: number): Rule["action"] {
  return { kind: "set-mark", value, mask };
}

function otherSide(side: Side): Side {
  return side === "source" ? "destination" : "source";
}
