import type { Action, Rule, VerdictMap } from "./desired-state.ts";
import { type Direction, dispatchBranch, dispatchChain, endpointChain } from "./names.ts";
import type { Family } from "./options.ts";
import { rememberTexts } from "./remember.ts";

/** Finds an interface by its name. */
export interface DispatchTree {
  /** The chain that a packet enters by. */
  readonly root: string;
  readonly match: "in-interface" | "out-interface";
  /** What all the names begin with. */
  readonly prefix: string;
  /** Whether there is a chain for each character that follows the prefix, and the root only leads to those. */
  readonly hasBranches: boolean;
  /** What becomes of an interface that is not among the names. */
  readonly end: readonly Rule[];
}

/** What finds an interface by its name: chains, and in nftables a map that they look it up in. */
export interface Dispatch {
  readonly chains: ReadonlyMap<string, readonly Rule[]>;
  readonly maps: ReadonlyMap<string, VerdictMap>;
}

/** The name of an interface, and what becomes of its packets. */
export type Lead = readonly [string, Action];

/**
 * What sends packets on by interface name, as `options.backend` can: a tree of chains, or one rule that looks the name up, and
 * behind it what is no `goto`. What is as in `earlier` is the same object again.
 */
export function dispatchBy(
  targets: Iterable<Lead>,
  tree: DispatchTree,
  { options }: Pick<Family, "options">,
  earlier?: Dispatch,
): Dispatch {
  if (options.backend === "nftables") return dispatchMap(targets, tree, earlier);
  return { chains: dispatchTree(targets, tree, earlier?.chains), maps: noMaps };
}

/**
 * What sends a packet on to its endpoint's chain. In iptables it is a root for the first characters after `interfacePrefix`, and
 * a branch for each: so an endpoint that comes adds rules and takes none away, which would make the kernel wait. An interface
 * that is not among `hostInterfaces` is denied.
 */
export function workloadDispatch(
  direction: Direction,
  hostInterfaces: readonly string[],
  family: Pick<Family, "options">,
  earlier?: Dispatch,
): Dispatch {
  const { interfacePrefix, denyAction } = family.options;
  const tree: DispatchTree = {
    root: dispatchChain(direction),
    match: direction === "egress" ? "in-interface" : "out-interface",
    prefix: interfacePrefix,
    hasBranches: true,
    end: unknownInterface[denyAction],
  };
  return dispatchBy(hostInterfaces.map(toEndpoint[direction]), tree, family, earlier);
}

// --- internal ---

const noMaps: Dispatch["maps"] = new Map();

/** Of more interfaces than a node has. */
const mostLeads = 2048;
const toEndpoint = {
  ingress: rememberTexts(leadIn("ingress"), mostLeads),
  egress: rememberTexts(leadIn("egress"), mostLeads),
};

function leadIn(direction: Direction): (name: string) => Lead {
  return (name) => [name, { kind: "goto", chain: endpointChain(direction, name) }];
}

/** The same objects each time: they end every chain. */
const unknownInterface = { drop: unknownEnd("drop"), reject: unknownEnd("reject") } as const;

function unknownEnd(kind: "drop" | "reject"): readonly Rule[] {
  return [{ matches: [], action: { kind }, comment: "Unknown interface" }];
}

function dispatchMap(
  targets: Iterable<Lead>,
  { root, match, end }: DispatchTree,
  earlier: Dispatch | undefined,
): Dispatch {
  const found = new Map<string, string>();
  const others: Rule[] = [];
  for (const [name, action] of targets) {
    if (action.kind === "goto") found.set(name, action.chain);
    else others.push({ matches: [{ kind: match, name, negated: false }], action });
  }
  const rules: readonly Rule[] = [{ matches: [], action: { kind: "dispatch", map: root } }, ...others, ...end];
  const chains = new Map([[root, earlierOr(rules, earlier?.chains.get(root))]]);
  return { chains, maps: new Map([[root, { match, targets: found }]]) };
}

/** The earlier rules, if these say the same. */
function earlierOr(rules: readonly Rule[], earlier: readonly Rule[] | undefined): readonly Rule[] {
  const isSame = (rule: Rule, before: Rule | undefined) =>
    rule === before || JSON.stringify(rule) === JSON.stringify(before);
  return earlier?.length === rules.length && rules.every((rule, index) => isSame(rule, earlier[index]))
    ? earlier
    : rules;
}

/** Rules that an `earlier` chain has with the same action are the same objects again, as is a chain that has all of them. */
function dispatchTree(
  targets: Iterable<Lead>,
  { root, match, prefix, hasBranches, end }: DispatchTree,
  earlier: Dispatch["chains"] = new Map(),
): ReadonlyMap<string, readonly Rule[]> {
  const chains = new Map<string, readonly Rule[]>();
  const fromRoot: Lead[] = [];
  const sorted = [...targets].sort(([a], [b]) => (a < b ? -1 : 1));
  const branches = Map.groupBy(sorted, ([name]) => (hasBranches ? name.charAt(prefix.length) : ""));
  for (const [branch, members] of branches) {
    // `PREFIX+` would match every other too.
    if (branch === "") {
      fromRoot.push(...members);
      continue;
    }
    const chain = dispatchBranch(root, branch);
    chains.set(chain, chainOf(members, { match, end, earlier: earlier.get(chain) }));
    fromRoot.push([`${prefix}${branch}+`, { kind: "goto", chain }]);
  }
  chains.set(root, chainOf(fromRoot, { match, end, earlier: earlier.get(root) }));
  return chains;
}

function chainOf(
  leads: readonly Lead[],
  { match, end, earlier = [] }: Pick<DispatchTree, "match" | "end"> & { readonly earlier: readonly Rule[] | undefined },
): readonly Rule[] {
  const count = earlier.length - end.length;
  const earlierEnd = earlierOr(end, earlier.slice(Math.max(count, 0)));
  const isSame = count === leads.length && earlierEnd !== end && leads.every((lead, i) => leadsThere(earlier[i], lead));
  if (isSame) return earlier;
  const known = new Map(earlier.map((rule) => [nameIn(rule), rule]));
  const rules = leads.map((lead): Rule => {
    const [name, action] = lead;
    const rule = known.get(name);
    return rule !== undefined && leadsThere(rule, lead)
      ? rule
      : { matches: [{ kind: match, name, negated: false }], action };
  });
  return [...rules, ...earlierEnd];
}

function leadsThere(rule: Rule | undefined, [name, action]: Lead): boolean {
  return (
    rule !== undefined &&
    nameIn(rule) === name &&
    (rule.action === action || (rule.action.kind === action.kind && chainIn(rule.action) === chainIn(action)))
  );
}

function nameIn({ matches: [match] }: Rule): string | undefined {
  return match !== undefined && "name" in match ? match.name : undefined;
}

function chainIn(action: Action): string | undefined {
  return "chain" in action ? action.chain : undefined;
}
