import type { Junction, Selector } from "./selector.ts";

/**
 * The canonical text of `selector`: reading it gives a selector of the same meaning. Selectors that differ only in
 * order, repetition, grouping, quotes, blanks or double negation have the same text; others of equal meaning may not.
 * Throws when a value has both kinds of quote, which the language cannot write.
 */
export function formatSelector(selector: Selector): string {
  return print(simplify(selector));
}

// --- internal ---

const all: Selector = { kind: "all" };

function simplify(selector: Selector): Selector {
  switch (selector.kind) {
    case "not": {
      const operand = simplify(selector.operand);
      return operand.kind === "not" ? operand.operand : { kind: "not", operand };
    }
    case "&&":
    case "||":
      return simplifyJunction(selector.kind, selector.operands.map(simplify));
    case "in":
    case "not in":
      return { ...selector, values: [...new Set(selector.values)].sort() };
    default:
      return selector;
  }
}

/** Operands of one kind flattened, each once, in the order of their texts (by code unit, so that no locale counts). */
function simplifyJunction(kind: Junction, simplified: readonly Selector[]): Selector {
  const flat = simplified.flatMap((operand) => (operand.kind === kind ? operand.operands : [operand]));
  if (kind === "||" && flat.some((operand) => operand.kind === "all")) return all;
  const telling = flat.filter((operand) => operand.kind !== "all");
  const byText = new Map(telling.map((operand) => [print(operand), operand]));
  const operands = [...byText.keys()].sort().flatMap((text) => byText.get(text) ?? []);
  const [first, ...rest] = operands;
  if (first === undefined) return kind === "&&" ? all : { kind: "not", operand: all };
  return rest.length === 0 ? first : { kind, operands };
}

function print(selector: Selector): string {
  switch (selector.kind) {
    case "all":
    case "global":
      return `${selector.kind}()`;
    case "has":
      return `has(${selector.label})`;
    case "not":
      return `!${print(selector.operand)}`;
    case "&&":
    case "||":
      return `(${selector.operands.map(print).join(` ${selector.kind} `)})`;
    case "in":
    case "not in":
      return `${selector.label} ${selector.kind} {${selector.values.map(quote).join(", ")}}`;
    default:
      return `${selector.label} ${selector.kind} ${quote(selector.value)}`;
  }
}

function quote(value: string): string {
  if (!value.includes('"')) return `"${value}"`;
  if (!value.includes("'")) return `'${value}'`;
  throw new Error(`Cannot write ${JSON.stringify(value)} in a selector: it has both kinds of quote`);
}
