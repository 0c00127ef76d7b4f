import { SelectorError } from "./selector-error.ts";

/** What a token is: a label, a string, a call, an operator, a mark, or the end. */
export type TokenKind = "label" | "string" | "has" | "all" | "global" | "end" | Operator | Punctuation;
type Operator = "==" | "!=" | "contains" | "starts with" | "ends with" | "in" | "not in";
type Punctuation = "(" | ")" | "{" | "}" | "," | "!" | "&&" | "||";

/** One word of a selector. */
export interface Token {
  readonly kind: TokenKind;
  /** The label of `label` and `has`, the content of `string`; empty otherwise. */
  readonly text: string;
  /** Offset of its first character. */
  readonly position: number;
}

/** Characters that a label may have in a selector. */
export const labelPattern = /^[a-zA-Z0-9_./-]{1,512}$/;

/** The tokens of `selector`, the last one `end`. Throws SelectorError. */
export function lex(selector: string): readonly Token[] {
  const tokens: Token[] = [];
  let position = skipBlanks(selector, 0);
  while (position < selector.length) {
    const afterLabel = tokens.at(-1)?.kind === "label";
    const { token, end } = nextToken(selector, position, afterLabel);
    tokens.push(token);
    position = skipBlanks(selector, end);
  }
  return [...tokens, { kind: "end", text: "", position }];
}

// --- internal ---

interface Lexed {
  readonly token: Token;
  readonly end: number;
}

const blanks = /[ \t]*/y;
const label = /[a-zA-Z0-9_./-]+/y;
const symbol = /==|!=|&&|\|\||[(){},!]/y;
const word = /contains|starts[ \t]*with|ends[ \t]*with|not[ \t]*in|in/y;
const call = /(has|all|global)\([ \t]*/y;

function nextToken(selector: string, position: number, afterLabel: boolean): Lexed {
  const symbolText = matchAt(symbol, selector, position)?.[0];
  if (symbolText !== undefined) return simple(symbolText as Punctuation, position, symbolText.length);
  const first = selector.charAt(position);
  if (first === "'" || first === '"') return stringAt(selector, position, first);
  // Only here are the words operators: elsewhere `in` and `contains` are labels like any other.
  if (afterLabel) return operatorAt(selector, position);
  const called = matchAt(call, selector, position);
  if (called !== undefined) return callAt(selector, position, called);
  return labelAt(selector, position);
}

function stringAt(selector: string, position: number, quote: string): Lexed {
  const end = selector.indexOf(quote, position + 1);
  if (end < 0) throw new SelectorError(selector, position, `the string is not closed by ${quote}`);
  return { token: { kind: "string", text: selector.slice(position + 1, end), position }, end: end + 1 };
}

function operatorAt(selector: string, position: number): Lexed {
  const text = matchAt(word, selector, position)?.[0];
  if (text === undefined) {
    const operators = "==, !=, in, not in, contains, starts with or ends with";
    throw new SelectorError(selector, position, `an operator was expected: ${operators}`);
  }
  const kind = text.replace(/^(starts|ends|not)[ \t]*/, "$1 ") as Operator;
  return simple(kind, position, text.length);
}

function callAt(selector: string, position: number, called: RegExpExecArray): Lexed {
  const name = called[1] as "has" | "all" | "global";
  const inside = position + called[0].length;
  const argument = name === "has" ? labelAt(selector, inside) : undefined;
  const close = skipBlanks(selector, argument?.end ?? inside);
  if (selector.charAt(close) !== ")") throw new SelectorError(selector, close, `the ) of ${name}( was expected`);
  return { token: { kind: name, text: argument?.token.text ?? "", position }, end: close + 1 };
}

function labelAt(selector: string, position: number): Lexed {
  const text = matchAt(label, selector, position)?.[0];
  if (text === undefined) throw new SelectorError(selector, position, "a label was expected");
  if (!labelPattern.test(text)) throw new SelectorError(selector, position, "the label is longer than 512 characters");
  return { token: { kind: "label", text, position }, end: position + text.length };
}

function simple(kind: TokenKind, position: number, length: number): Lexed {
  return { token: { kind, text: "", position }, end: position + length };
}

function skipBlanks(selector: string, position: number): number {
  return position + (matchAt(blanks, selector, position)?.[0].length ?? 0);
}

function matchAt(pattern: RegExp, selector: string, position: number): RegExpExecArray | undefined {
  pattern.lastIndex = position;
  return pattern.exec(selector) ?? undefined;
}
