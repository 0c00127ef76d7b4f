/** Rules in nf_tables are known by a hash in their comment: the kernel prints a rule in other words than it was given. */
import { shortHash } from "../../net/sha256.ts";
import type { Rule } from "../render/desired-state.ts";

/**
 * The hash of each rule of the chain (16 characters). It covers the rule and the chain's name, so that chains with equal hashes
 * in the same order are equal. The same array has the same answer.
 */
export function chainHashes(chain: string, rules: readonly Rule[]): readonly string[] {
  const known = hashedChains.get(rules);
  if (known?.seed === chain) return known.hashed;
  const hashed = rules.map((rule) => ruleHash(chain, rule));
  hashedChains.set(rules, { seed: chain, hashed });
  return hashed;
}

/** What the rule's comment in the kernel says: its hash, and for people what the rule is there for. */
export function ruleComment(rule: Rule, hash: string): string {
  const text = rule.comment === undefined ? "" : ` ${rule.comment.replaceAll(/[^A-Za-z0-9 _./:=,()-]/g, "_")}`;
  return `${prefix}${hash}${text}`.slice(0, maxComment);
}

/** The hash in a comment; undefined when the rule is not ours. */
export function hashInComment(comment: string | undefined): string | undefined {
  if (comment === undefined || !comment.startsWith(prefix)) return undefined;
  const hash = comment.slice(prefix.length, prefix.length + hashLength);
  const end = comment.charAt(prefix.length + hashLength);
  return hash.length === hashLength && (end === "" || end === " ") ? hash : undefined;
}

// --- internal ---

const prefix = "cali:";
const hashLength = 16;
/** NFTNL_UDATA_COMMENT_MAXLEN less the terminating zero. */
const maxComment = 127;

/** To be raised when a rule is put into other expressions than before: the kernel then gets every rule anew. */
const encoding = 1;

interface Hashed<T> {
  readonly seed: string;
  readonly hashed: T;
}

const hashedChains = new WeakMap<readonly Rule[], Hashed<readonly string[]>>();
/** A chain of many rules mostly has those of before. */
const hashedRules = new WeakMap<Rule, Hashed<string>>();

function ruleHash(seed: string, rule: Rule): string {
  const known = hashedRules.get(rule);
  if (known?.seed === seed) return known.hashed;
  const hashed = shortHash(`${encoding} ${seed}\n${canonicalText(rule)}`, hashLength);
  hashedRules.set(rule, { seed, hashed });
  return hashed;
}

/** Like JSON, with sorted keys: equal values are equal texts, whoever has made them. Plain loops, as it is done for every rule. */
function canonicalText(value: unknown): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  let text = "";
  if (Array.isArray(value)) {
    for (const item of value) text += `${canonicalText(item)},`;
    return `[${text}]`;
  }
  const fields = value as Readonly<Record<string, unknown>>;
  for (const key of Object.keys(fields).sort()) {
    if (fields[key] !== undefined) text += `${key}:${canonicalText(fields[key])},`;
  }
  return `{${text}}`;
}
