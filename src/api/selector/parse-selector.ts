import { lex, type Token, type TokenKind } from "./lexer.ts";
import type { Comparison, Membership, Selector } from "./selector.ts";
import { SelectorError } from "./selector-error.ts";

/**
 * Reads Calico's selector language, e.g. `app in {'web', 'db'} && !has(canary)`. `||` binds least; an empty text
 * selects everything. Throws SelectorError with the exact position.
 */
export function parseSelector(text: string): Selector {
  const cursor: Cursor = { selector: text, tokens: lex(text), next: 0, depth: 0 };
  if (peek(cursor).kind === "end") return { kind: "all" };
  const selector = parseJunction(cursor, "||");
  if (peek(cursor).kind !== "end") throw unexpected(cursor, "&&, || or the end was expected");
  return selector;
}

// --- internal ---

interface Cursor {
  readonly selector: string;
  readonly tokens: readonly Token[];
  next: number;
  depth: number;
}

/** Deeper than any selector of 1024 characters, and shallow enough for the stack. */
const maxDepth = 512;

/** One or more operands joined by `||`, each of which is one or more joined by `&&`. */
function parseJunction(cursor: Cursor, kind: "||" | "&&"): Selector {
  const parseOperand = () => (kind === "||" ? parseJunction(cursor, "&&") : parseOperation(cursor));
  const first = parseOperand();
  const operands = [first];
  while (take(cursor, kind) !== undefined) operands.push(parseOperand());
  return operands.length === 1 ? first : { kind, operands };
}

function parseOperation(cursor: Cursor): Selector {
  let negated = false;
  while (take(cursor, "!") !== undefined) negated = !negated;
  const operand = parseTerm(cursor);
  return negated ? { kind: "not", operand } : operand;
}

function parseTerm(cursor: Cursor): Selector {
  const token = peek(cursor);
  switch (token.kind) {
    case "has":
      cursor.next++;
      return { kind: "has", label: token.text };
    case "all":
    case "global":
      cursor.next++;
      return { kind: token.kind };
    case "label":
      cursor.next++;
      return parseTest(cursor, token.text);
    case "(":
      return parseGroup(cursor);
    default:
      throw unexpected(cursor, "a label, has(…), all(), global(), ! or ( was expected");
  }
}

function parseGroup(cursor: Cursor): Selector {
  if (cursor.depth >= maxDepth) throw unexpected(cursor, `there are more than ${maxDepth} parentheses open`);
  cursor.next++;
  cursor.depth++;
  const inner = parseJunction(cursor, "||");
  expect(cursor, ")", "a ) was expected");
  cursor.depth--;
  return inner;
}

function parseTest(cursor: Cursor, label: string): Selector {
  const { kind } = peek(cursor);
  switch (kind) {
    case "in":
    case "not in":
      cursor.next++;
      return { kind: kind satisfies Membership, label, values: parseSet(cursor) };
    case "==":
    case "!=":
    case "contains":
    case "starts with":
    case "ends with":
      cursor.next++;
      return { kind: kind satisfies Comparison, label, value: parseString(cursor) };
    default:
      throw unexpected(cursor, "an operator was expected: ==, !=, in, not in, contains, starts with or ends with");
  }
}

function parseString(cursor: Cursor): string {
  return expect(cursor, "string", "a string in quotes was expected").text;
}

/** `{'a', 'b'}`; may be empty, and may end in a comma. */
function parseSet(cursor: Cursor): readonly string[] {
  expect(cursor, "{", "a { was expected");
  const values: string[] = [];
  while (peek(cursor).kind === "string") {
    values.push(parseString(cursor));
    if (take(cursor, ",") === undefined) break;
  }
  expect(cursor, "}", values.length === 0 ? "a string in quotes or a } was expected" : "a , or a } was expected");
  return values;
}

function peek(cursor: Cursor): Token {
  const token = cursor.tokens[cursor.next];
  if (token === undefined) throw unexpected(cursor, "more was expected");
  return token;
}

function take(cursor: Cursor, kind: TokenKind): Token | undefined {
  const token = peek(cursor);
  if (token.kind !== kind) return undefined;
  cursor.next++;
  return token;
}

function expect(cursor: Cursor, kind: TokenKind, problem: string): Token {
  const token = take(cursor, kind);
  if (token === undefined) throw unexpected(cursor, problem);
  return token;
}

function unexpected(cursor: Cursor, problem: string): SelectorError {
  const position = cursor.tokens[cursor.next]?.position ?? cursor.selector.length;
  return new SelectorError(cursor.selector, position, problem);
}
