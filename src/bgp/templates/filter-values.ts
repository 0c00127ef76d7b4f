import type { BirdFilter, BirdFilterOperation, BirdFilterRule } from "../plan/bird-filter.ts";

/** What the template of a filter prints, with every decision in words of its own. */
export function filterValues({ name, version, direction, rules }: BirdFilter): object {
  return { name, version, imports: direction === "import", rules: rules.map(ruleValues) };
}

// --- internal ---

function ruleValues({ peerType, action, operations, ...matched }: BirdFilterRule): object {
  return {
    ...matched,
    internalOnly: peerType === "iBGP",
    externalOnly: peerType === "eBGP",
    operations: operations.map(operationValues),
    rejects: action === "reject",
  };
}

function operationValues(operation: BirdFilterOperation): object {
  const nothing = { community: undefined, prepended: [], priority: undefined };
  switch (operation.kind) {
    case "addCommunity":
      return { ...nothing, community: operation.community };
    case "prependAsPath":
      // Each goes to the head of the path, so that the first must go last.
      return { ...nothing, prepended: operation.asNumbers.toReversed() };
    case "setPriority":
      return { ...nothing, priority: operation.priority };
  }
}
