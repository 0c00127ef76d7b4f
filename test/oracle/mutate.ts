/** Ways to change what was rendered. */
import type { DesiredState, IpSet, Match, Rule, TableName, VerdictMap } from "../../src/felix/render/desired-state.ts";

/** What was rendered, with a fault. */
export type Mutation = (state: DesiredState) => DesiredState;

/** Where a rule stands; `index` in the chain's `rules`. */
export interface RulePlace {
  readonly table: TableName;
  readonly chain: string;
  readonly index: number;
  readonly rules: readonly Rule[];
}

/** Every rule of our own chains in its other form, or forms. */
export function withRules(rewrite: (rule: Rule, place: RulePlace) => readonly Rule[]): Mutation {
  const rewritten = (table: TableName, chain: string, rules: readonly Rule[]) =>
    rules.flatMap((rule, index) => rewrite(rule, { table, chain, index, rules }));
  return (state) => ({
    ...state,
    tables: new Map(
      [...state.tables].map(([key, table]) => {
        const chains = [...table.chains].map(([name, rules]) => [name, rewritten(table.name, name, rules)] as const);
        return [key, { ...table, chains: new Map(chains) }];
      }),
    ),
  });
}

/** Without the rules that `isGone` names. */
export function without(isGone: (rule: Rule, place: RulePlace) => boolean): Mutation {
  return withRules((rule, place) => (isGone(rule, place) ? [] : [rule]));
}

/** Every match in its other form; undefined takes it out. */
export function withMatches(rewrite: (match: Match, place: RulePlace) => Match | undefined): Mutation {
  return withRules((rule, place) => [
    { ...rule, matches: rule.matches.map((match) => rewrite(match, place)).filter((match) => match !== undefined) },
  ]);
}

/** Without the matches that `isGone` names: their rules match more. */
export function withoutMatches(isGone: (match: Match) => boolean): Mutation {
  return withMatches((match) => (isGone(match) ? undefined : match));
}

/** Every verdict map in its other form. */
export function withMaps(rewrite: (map: VerdictMap, name: string) => VerdictMap): Mutation {
  return (state) => ({
    ...state,
    tables: new Map(
      [...state.tables].map(([key, table]) => {
        const maps = [...(table.maps ?? [])].map(([name, map]) => [name, rewrite(map, name)] as const);
        return [key, { ...table, maps: new Map(maps) }];
      }),
    ),
  });
}

/** Every set in its other form. */
export function withSets(rewrite: (set: IpSet) => IpSet): Mutation {
  return (state) => ({ ...state, sets: new Map([...state.sets].map(([name, set]) => [name, rewrite(set)])) });
}
