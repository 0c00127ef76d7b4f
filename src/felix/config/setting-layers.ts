import type { FelixConfiguration } from "../../api/felix-configuration.ts";
import type { NodeConfigurations } from "./configurations-of-node.ts";
import { environmentValues, fileName, fileValues, type LocalValues } from "./local-values.ts";
import { localNames } from "./parameters.ts";

/** Where a value can come from, the strongest first. */
export type SettingSource = "override" | "environment" | "file" | "node" | "selector" | "default" | "built-in";

/** What one source says. */
export interface Layer {
  readonly source: SettingSource;
  /** How a person finds the value there. */
  readonly label: (field: string) => string;
  /** Undefined when it has none for this field. */
  readonly get: (field: string) => unknown;
  /** In the environment and the file all is text, and in an object there are types. */
  readonly holds: "text" | "values";
}

/** An object whose fields cannot all be used. */
export interface ObjectLayer extends Layer {
  readonly object: FelixConfiguration;
}

/** A source whose names may be unknown. */
export interface LocalLayer extends Layer {
  readonly local: LocalValues;
  readonly name: string;
}

/** The environment, and the file if there is one. */
export function localLayers(
  environment: Readonly<Record<string, string | undefined>>,
  file: string | undefined,
): readonly LocalLayer[] {
  return [
    localLayer("environment", "the environment", environmentValues(environment)),
    ...(file === undefined ? [] : [localLayer("file", fileName, fileValues(file))]),
  ];
}

/** The objects that there are. */
export function objectLayers({ node, selected, default: all }: NodeConfigurations): readonly ObjectLayer[] {
  return [...objectLayer("node", node), ...objectLayer("selector", selected), ...objectLayer("default", all)];
}

/** The name that a field has in the environment and the file, in lower case. */
export function localNameOf(field: string): string {
  return (localNames[field] ?? field).toLowerCase();
}

// --- internal ---

function localLayer(source: SettingSource, name: string, local: LocalValues): LocalLayer {
  const find = (field: string) => local.values.get(localNameOf(field));
  return {
    ...{ source, name, local, holds: "text" },
    label: (field) => `${find(field)?.name ?? field} of ${name}`,
    get: (field) => find(field)?.text,
  };
}

function objectLayer(source: SettingSource, object: FelixConfiguration | undefined): readonly ObjectLayer[] {
  if (object === undefined) return [];
  const spec: Readonly<Record<string, unknown>> = object.spec;
  // Upstream takes an empty text for one that is not set.
  const get = (field: string) => (spec[field] === "" ? undefined : spec[field]);
  const label = (field: string) => `${field} of FelixConfiguration ${object.metadata.name}`;
  return [{ source, object, holds: "values", label, get }];
}
