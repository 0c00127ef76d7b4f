/** Faults planted in what was rendered: each must be seen by the judge. */
import type { DesiredState, Match, Rule, Side } from "../../src/felix/render/desired-state.ts";
import { defaultRenderOptions } from "../../src/felix/render/options.ts";
import { type Mutation, withMaps, withMatches, without, withoutMatches, withRules, withSets } from "./mutate.ts";

const { marks } = defaultRenderOptions;

const ofPods: Readonly<Record<string, Mutation>> = {
  "closed endpoints are open": withRules((rule) =>
    rule.comment === "Endpoint has no pod" ? [{ ...rule, action: setMark(marks.accept) }] : [rule],
  ),
  "unknown interfaces pass": without(({ comment }) => comment === "Unknown interface"),
  "spoofed sources pass": without(({ matches }) => matches.some(({ kind }) => kind === "reverse-path-failed")),
  "the node cannot reach its pods": withRules((rule, { chain }) =>
    chain === "cali-OUTPUT" ? [{ ...rule, action: { kind: "drop" } }] : [rule],
  ),
  "what a workload sends its node is not judged": without(
    ({ action }, { chain }) => chain === "cali-wl-to-host" && action.kind === "jump",
  ),
  "the verdict of the first endpoint stays for the second": without(
    ({ action }) => action.kind === "set-mark" && action.mask === marks.accept && action.value === 0,
  ),
  "packets of no connection pass": without(({ matches }) =>
    matches.some((one) => one.kind === "connection" && one.states.includes("INVALID")),
  ),
  "workloads make tunnels": without(({ comment }) => comment?.startsWith("Workloads make no") ?? false),
};

const ofTiers: Readonly<Record<string, Mutation>> = {
  "end of tier does not drop": without(({ comment }) => comment?.startsWith("End of tier") ?? false),
  "every tier drops at its end": withRules((rule, { index, rules }) => {
    const next = rules[index + 1]?.comment ?? "";
    const isEnd = rule.comment === "Return if policy accepted" && /^(Start of tier|Allow if)/.test(next);
    return isEnd ? [rule, { matches: [markClear(marks.pass)], action: { kind: "drop" } }] : [rule];
  }),
  "Pass is nothing": without(({ action }) => action.kind === "set-mark" && action.value === marks.pass),
  "Pass is Allow": withRules((rule) =>
    isMarking(rule, marks.pass) ? [{ ...rule, action: setMark(marks.accept) }] : [rule],
  ),
  "Pass lasts for all tiers": without(({ comment }) => comment?.startsWith("Start of tier") ?? false),
  "groups have lost their last policy": withRules((rule, { chain, index, rules }) =>
    /^cali-g[io]-/.test(chain) && index === rules.length - 1 ? [] : [rule],
  ),
  "of a group every policy is asked": withMatches((match, { chain }) =>
    /^cali-g[io]-/.test(chain) && match.kind === "mark" ? undefined : match,
  ),
  "staged policies are enforced": withRules((rule) =>
    /^s(np|gnp|knp)\//.test(rule.comment ?? "") ? [{ ...rule, action: { kind: "drop" } }] : [rule],
  ),
  "Log is the last word": withRules((rule) =>
    rule.action.kind === "log" ? [{ ...rule, action: { kind: "drop" } }] : [rule],
  ),
};

const ofHosts: Readonly<Record<string, Mutation>> = {
  "nothing is judged before connection tracking": withoutJump("raw", /^cali-(from|to)-host-endpoint$/),
  "nothing is judged before DNAT": withoutJump("mangle", /^cali-from-host-endpoint$/),
  "what comes in by a host endpoint is not judged": withoutJump("filter", /^cali-from-host-endpoint$/),
  "what the node sends is not judged": withoutJump("filter", /^cali-to-host-endpoint$/),
  "what the node sends to Services is not judged": withoutJump("mangle", /^cali-to-host-endpoint$/),
  "what is forwarded from a host endpoint is not judged": withoutJump("filter", /^cali-from-hep-forward$/),
  "what is forwarded to a host endpoint is not judged": withoutJump("filter", /^cali-to-hep-forward$/),
  "what the node sends to Services is judged too early": without(
    ({ matches }, { chain }) => chain === "cali-OUTPUT" && matches.some((one) => one.kind === "connection"),
  ),
  "there are no failsafes": without((_, { chain }) => chain.startsWith("cali-failsafe-")),
  "failsafes know no answers": without(
    ({ matches }, { chain }) =>
      chain.startsWith("cali-failsafe-") && matches.some((one) => one.kind === "ports" && one.side === "source"),
  ),
  "untracked packets are tracked": without(({ action }) => action.kind === "no-track"),
  "what was allowed before is judged again": without(
    ({ action }, { chain, table }) => table === "filter" && chain === "cali-INPUT" && action.kind === "accept",
  ),
  "no profile of a host endpoint allows everything": without(
    ({ comment }) => comment === "Drop if no profiles matched",
  ),
  "what has a host endpoint of its own has also that of every interface": without(
    ({ action }, { chain }) => /^cali-(from|to)-(host-endpoint|hep-forward)/.test(chain) && action.kind === "return",
  ),
};

const ofMatches: Readonly<Record<string, Mutation>> = {
  "exceptions are forgotten": without(
    ({ action, matches }) =>
      action.kind === "set-mark" && action.value === 0 && matches.some(({ kind }) => kind === "net"),
  ),
  "source and destination sets are exchanged": withMatches((match) =>
    match.kind === "set" ? otherSide(match) : match,
  ),
  "source and destination ports are exchanged": withMatches((match) =>
    match.kind === "ports" ? otherSide(match) : match,
  ),
  "source and destination named ports are exchanged": withMatches((match) =>
    match.kind === "port-set" ? otherSide(match) : match,
  ),
  "ranges are one port short": withMatches((match) =>
    match.kind === "ports"
      ? { ...match, ports: match.ports.map(({ first, last }) => ({ first, last: Math.max(first, last - 1) })) }
      : match,
  ),
  "only the first part of many ports counts": without((rule, { index, rules }) => {
    const isPart = (one: Rule | undefined) =>
      one?.comment === undefined && (one?.matches.some(({ kind }) => kind === "ports") ?? false);
    return isPart(rule) && isPart(rules[index - 1]);
  }),
  "only the first of two blocks counts": without(
    ({ action, matches }) =>
      action.kind === "set-mark" && action.value === 0 && matches.some(({ kind }) => kind === "mark"),
  ),
  "sets are not looked at": withoutMatches((match) => match.kind === "set" && !match.negated),
  "negated sets are not looked at": withoutMatches((match) => match.kind === "set" && match.negated),
  "networks are not looked at": withoutMatches(({ kind }) => kind === "net"),
  "named ports are not looked at": withoutMatches((match) => match.kind === "port-set" && !match.negated),
  "negated named ports are not looked at": withoutMatches((match) => match.kind === "port-set" && match.negated),
  "negated ports are not looked at": withoutMatches((match) => match.kind === "ports" && match.negated),
  "negated protocols are not looked at": withoutMatches((match) => match.kind === "protocol" && match.negated),
  "ICMP types are not looked at": withoutMatches((match) => match.kind === "icmp" && !match.negated),
  "negated ICMP types are not looked at": withoutMatches((match) => match.kind === "icmp" && match.negated),
  "ICMP codes are not looked at": withMatches((match) => {
    if (match.kind !== "icmp") return match;
    const { code: _, ...rest } = match;
    return rest;
  }),
  "a named port is one of any protocol": withSets((set) =>
    set.type === "hash:ip,port"
      ? {
          ...set,
          members: new Set(
            [...set.members].flatMap((one) => ["tcp", "udp", "sctp"].map((name) => one.replace(/,\w+:/, `,${name}:`))),
          ),
        }
      : set,
  ),
  "sets hold no networks": withSets((set) => ({
    ...set,
    members: new Set([...set.members].filter((member) => !member.includes("/"))),
  })),
  "IPv6 sets are empty": withSets((set) => (set.version === 6 ? { ...set, members: new Set() } : set)),
};

/** By what is wrong. */
export const mutations: Readonly<Record<string, (state: DesiredState) => DesiredState>> = {
  ...ofPods,
  ...ofTiers,
  ...ofHosts,
  ...ofMatches,
};

/** Faults that only what has verdict maps can have. */
export const mapMutations: Readonly<Record<string, Mutation>> = {
  "workloads are in no map": withMaps((map, name) => (name.includes("-wl-") ? { ...map, targets: new Map() } : map)),
  "host endpoints are in no map": withMaps((map, name) =>
    name.includes("-wl-") ? map : { ...map, targets: new Map() },
  ),
  "maps look at the other interface": withMaps((map) => ({
    ...map,
    match: map.match === "in-interface" ? "out-interface" : "in-interface",
  })),
  "every workload has the chain of the last": withMaps((map) => {
    const last = [...map.targets.values()].at(-1) ?? "";
    return { ...map, targets: new Map([...map.targets.keys()].map((name) => [name, last])) };
  }),
};

// --- internal ---

function withoutJump(ofTable: string, to: RegExp): Mutation {
  return without(({ action }, { table }) => table === ofTable && action.kind === "jump" && to.test(action.chain));
}

function setMark(bit: number): Rule["action"] {
  return { kind: "set-mark", value: bit, mask: bit };
}

function isMarking({ action, matches }: Rule, bit: number): boolean {
  const isBit = (value: number, mask: number) => value === bit && mask === bit;
  if (action.kind === "set-mark") return isBit(action.value, action.mask);
  return action.kind === "return" && matches.some((one) => one.kind === "mark" && isBit(one.value, one.mask));
}

function markClear(bit: number): Match {
  return { kind: "mark", value: 0, mask: bit, negated: false };
}

function otherSide<T extends { readonly side: Side }>(match: T): T {
  return { ...match, side: match.side === "source" ? "destination" : "source" };
}
