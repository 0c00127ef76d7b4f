import { type FelixConfiguration, isForItsName } from "../../api/felix-configuration.ts";
import type { Labels } from "../../api/objects.ts";
import { parseSelector } from "../../api/selector/parse-selector.ts";
import { selectorMatches } from "../../api/selector/selector-matches.ts";
import { compareText } from "../../net/compare-text.ts";

/** The objects that a node takes values from. */
export interface NodeConfigurations {
  /** `node.NAME`. */
  readonly node?: FelixConfiguration | undefined;
  /** The one whose selector selects the node. */
  readonly selected?: FelixConfiguration | undefined;
  /** `default`. */
  readonly default?: FelixConfiguration | undefined;
}

/**
 * Which of all FelixConfigurations are for a node. Of several that select it, it is the oldest, then the first by name, as
 * upstream has it; `problems` says so in a sentence. While the node's labels are unknown, none selects it.
 */
export function configurationsOfNode(
  objects: ReadonlyMap<string, FelixConfiguration>,
  name: string,
  labels: Labels | undefined,
): { readonly objects: NodeConfigurations; readonly problems: readonly string[] } {
  const selecting = [...objects.values()].filter((object) => selects(object, labels)).toSorted(byAge);
  const [selected, ...others] = selecting;
  const problems =
    others.length === 0
      ? []
      : [
          `FelixConfigurations ${selecting.map(({ metadata }) => metadata.name).join(", ")} all select this node: only ` +
            `the oldest, ${selected?.metadata.name}, counts.`,
        ];
  return {
    objects: { node: objects.get(`node.${name}`), selected, default: objects.get("default") },
    problems,
  };
}

// --- internal ---

function selects({ metadata, spec }: FelixConfiguration, labels: Labels | undefined): boolean {
  if (isForItsName(metadata.name) || labels === undefined || !spec.nodeSelector) return false;
  return selectorMatches(parseSelector(spec.nodeSelector), labels);
}

function byAge(a: FelixConfiguration, b: FelixConfiguration): number {
  // The API server writes all times in one form, in UTC.
  const made = ({ metadata }: FelixConfiguration) => metadata.creationTimestamp ?? "";
  return compareText(made(a), made(b)) || compareText(a.metadata.name, b.metadata.name);
}
