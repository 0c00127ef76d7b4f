import { messageOf } from "../../net/message-of.ts";
import type { NodeConfigurations } from "./configurations-of-node.ts";
import type { FelixSettings } from "./felix-settings.ts";
import { fieldOf, type Parameter, parameters } from "./parameters.ts";
import type { Reader } from "./readers.ts";
import {
  type Layer,
  type LocalLayer,
  localLayers,
  localNameOf,
  type ObjectLayer,
  objectLayers,
  type SettingSource,
} from "./setting-layers.ts";
import { asksForNothing, unusedFields, unusedLocally } from "./unused-parameters.ts";

/** Everything that says how an agent shall work. */
export interface SettingInputs {
  /** What the agent's own command line says. */
  readonly overrides?: Partial<FelixSettings>;
  /** The variables FELIX_… count. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The text of felix.cfg; absent: there is none. */
  readonly file?: string | undefined;
  readonly objects: NodeConfigurations;
}

/** What is in force. */
export interface ResolvedSettings {
  readonly settings: FelixSettings;
  readonly sources: Readonly<Record<keyof FelixSettings, SettingSource>>;
  /** What is said somewhere and has no effect, or another than was meant: a sentence each, which says what counts instead. */
  readonly problems: readonly string[];
}

/**
 * Each setting from the first of the sources that has a value that can be used: command line, environment, file, the
 * node's own object, the one that selects it, `default`, and what is built in. Throws nothing: a value that cannot be used
 * is a problem, as are names that are unknown and parameters that are set and have no effect here.
 */
export function resolveSettings({ overrides = {}, environment, file, objects }: SettingInputs): ResolvedSettings {
  const local = localLayers(environment, file);
  const layers = [...local, ...objectLayers(objects)];
  const names = Object.keys(parameters) as (keyof FelixSettings)[];
  const resolved = names.map((name) => [name, resolve(name, overrides, layers)] as const);
  const faults = objectLayers(objects).flatMap((layer) => faultsOf(layer, new Map(resolved)));
  const problems = [
    ...local.flatMap((layer) => [...layer.local.problems, ...unknownNames(layer)]),
    ...resolved.flatMap(([, { problems }]) => problems),
    ...faults,
    ...layers.flatMap(unusedIn),
  ];
  return {
    settings: Object.fromEntries(resolved.map(([name, { value }]) => [name, value])) as unknown as FelixSettings,
    sources: Object.fromEntries(resolved.map(([name, { source }]) => [name, source])) as ResolvedSettings["sources"],
    problems,
  };
}

// --- internal ---

interface Resolved {
  readonly value: unknown;
  readonly source: SettingSource;
  /** What a message says of a value that does not count. */
  readonly instead: string;
  readonly problems: readonly string[];
}

function resolve(name: keyof FelixSettings, overrides: Partial<FelixSettings>, layers: readonly Layer[]): Resolved {
  const { reader, builtIn, idle = () => [] }: Parameter<unknown> = parameters[name];
  const field = fieldOf(name);
  let winner: Omit<Resolved, "problems"> | undefined =
    overrides[name] === undefined
      ? undefined
      : { value: overrides[name], source: "override", instead: "what the command line says counts" };
  const refused: string[] = [];
  const withoutEffect: string[] = [];
  for (const layer of layers) {
    const raw = layer.get(field);
    if (raw === undefined) continue;
    const { source, label } = layer;
    try {
      const value = read(reader, raw, layer.holds);
      winner ??= { value, source, instead: `${label(field)} counts` };
      withoutEffect.push(...idle(value).map((what) => `${label(field)}: ${what}.`));
    } catch (error) {
      refused.push(`Cannot use ${JSON.stringify(raw)} as ${label(field)}: ${messageOf(error)}`);
    }
  }
  winner ??= { value: builtIn, source: "built-in", instead: "the default counts" };
  const { instead } = winner;
  return { ...winner, problems: [...refused.map((text) => `${text}; ${instead}.`), ...withoutEffect] };
}

function read(reader: Reader<unknown>, raw: unknown, holds: Layer["holds"]): unknown {
  if (typeof raw === "string" && raw.toLowerCase() === "none") {
    if (reader.none !== undefined) return reader.none.value;
    throw new Error("it cannot be none");
  }
  return holds === "values" && reader.value !== undefined ? reader.value(raw) : reader.text(String(raw));
}

function faultsOf({ object, label }: ObjectLayer, resolved: ReadonlyMap<string, Resolved>): readonly string[] {
  return object.faults.map(({ field, reason }) => {
    const instead = resolved.get(field)?.instead ?? resolved.get(`${field}Ms`)?.instead;
    return `Cannot use ${label(field)}: ${reason}${instead === undefined ? "" : `; ${instead}`}.`;
  });
}

function unknownNames({ local, name }: LocalLayer): readonly string[] {
  return [...local.values].flatMap(([key, value]) =>
    knownNames.has(key) ? [] : [`Cannot use ${value.name} of ${name}: no setting has this name.`],
  );
}

function unusedIn(layer: Layer): readonly string[] {
  const given = (name: string) => {
    const value = layer.get(name);
    return value !== undefined && !asksForNothing(value);
  };
  const unused = [...unusedFields, ...(layer.holds === "text" ? Object.entries(unusedLocally) : [])];
  return unused.flatMap(([name, why]) => (given(name) ? [`${layer.label(name)} has no effect here: ${why}.`] : []));
}

const knownNames: ReadonlySet<string> = new Set([
  ...(Object.keys(parameters) as (keyof FelixSettings)[]).map((name) => localNameOf(fieldOf(name))),
  ...[...unusedFields.keys(), ...Object.keys(unusedLocally)].map(localNameOf),
]);
