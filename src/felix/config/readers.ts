import { parseDuration } from "../../api/duration.ts";
import { type Ip, type IpVersion, isIp, parseIp, versionOf } from "../../net/ip.ts";
import { workloadInterfacePrefix } from "../../net/workload-interface-prefix.ts";
import type { InterfacePattern, LogRate } from "./felix-settings.ts";

/** How the values of a parameter are read. A reader throws what a value must be: a sentence without a full stop. */
export interface Reader<T> {
  /** What stands in the environment or the file, and not empty. */
  readonly text: (text: string) => T;
  /** What stands in an object, and the API server's schema takes. Absent: what it is as text is read. */
  readonly value?: (value: unknown) => T;
  /** What `none` stands for, in a box; absent: it cannot be none. */
  readonly none?: { readonly value: T };
}

/** The writings of upstream's. */
export const flag: Reader<boolean> = {
  text: (text) => choose(text, { true: true, 1: true, yes: true, y: true, t: true, ...noWords }),
  none: { value: false },
};

/** A whole number from `min` to `max`, in any base that Go reads: 10, 0x1f, 0b11, 0o17 and 017. */
export function integer(min: number, max: number): Reader<number> {
  const text = (text: string) => within(parseInteger(text), min, max);
  return min <= 0 ? { text, none: { value: 0 } } : { text };
}

/** One of the keys, in any case. */
export function oneOf<T extends string | boolean>(values: Readonly<Record<string, T>>, none?: T): Reader<T> {
  return { text: (text) => choose(text, values), ...(none === undefined ? {} : { none: { value: none } }) };
}

/** What Go's durations can hold. */
const longestMs = 2 ** 63 / 1e6;

/** A time in milliseconds; as text in the unit, or as Go writes durations. With `positive`, 0 is none. */
export function period(unitMs: number, positive?: "positive"): Reader<number> {
  const checked = (ms: number) => {
    if (ms > longestMs) throw new Error("it must be at most 292 years");
    if (positive === undefined || ms > 0) return ms;
    throw new Error("it must be more than 0");
  };
  return {
    text: (text) => checked(/^([0-9]+\.?[0-9]*|\.[0-9]+)$/.test(text) ? Number(text) * unitMs : durationOf(text)),
    value: (value) => checked(durationOf(String(value))),
    ...(positive === undefined ? { none: { value: 0 } } : {}),
  };
}

/** Text that has this form. */
export function matching(form: RegExp, mustBe: string): Reader<string> {
  return { text: (text) => required(text, form.test(text), mustBe), none: { value: "" } };
}

/** The same, or undefined for none. */
export function optional<T>({ text, value }: Reader<T>): Reader<T | undefined> {
  return { text, ...(value === undefined ? {} : { value }), none: { value: undefined } };
}

/** An address of one family. */
export function address(version: IpVersion): Reader<Ip | undefined> {
  return optional({
    text: (text) => {
      if (isIp(text) && versionOf(text) === version) return parseIp(text);
      throw new Error(`it must be an IPv${version} address`);
    },
  });
}

/** A regular expression. */
export const expression: Reader<RegExp> = { text: expressionOf };

/** Names and regular expressions between slashes, with commas between them. */
export const interfacePatterns: Reader<readonly InterfacePattern[]> = {
  text: (text) => text.split(",").map(interfacePattern),
  none: { value: [] },
};

/** Pods without a rule that finds them would be open: the names of their interfaces must begin so. */
export const interfacePrefix: Reader<string> = {
  text: (text) =>
    required(
      text,
      workloadInterfacePrefix.startsWith(text),
      `the interfaces of pods are named ${workloadInterfacePrefix}…, and it must be a beginning of that`,
    ),
};

/** 32 bits, of which at least 8 are set. */
export const markMask: Reader<number> = {
  text: (text) => {
    const mask = within(parseInteger(text), 0, 0xffffffff);
    if (mask.toString(2).replaceAll("0", "").length >= 8) return mask;
    throw new Error("at least 8 bits of it must be set");
  },
};

/** Such as 10/second. */
export const logRate: Reader<LogRate | undefined> = optional({
  text: (text): LogRate => {
    const [, packets, unit] = /^([1-9][0-9]{0,3})\/(second|minute|hour|day)$/.exec(text) ?? [];
    if (unit === undefined) throw new Error("it must be such as 10/second, per second, minute, hour or day");
    return { packets: Number(packets), unit: unit as LogRate["unit"] };
  },
});

/** Times in milliseconds by name: `a=1s,b=1m30s`, or a list of them. */
export const namedPeriods: Reader<ReadonlyMap<string, number>> = {
  text: (text) =>
    new Map(
      listOf(text).map((pair): [string, number] => {
        const [, name, duration] = /^([^=]+)=([^=]+)$/.exec(pair) ?? [];
        if (name === undefined || duration === undefined) throw new Error("it must be such as name=90s, with commas");
        return [name.trim(), durationOf(duration.trim())];
      }),
    ),
  value: (value) =>
    new Map(
      (value as readonly { name: string; timeout: string }[]).map(({ name, timeout }) => [name, durationOf(timeout)]),
    ),
  none: { value: new Map() },
};

/** The parts of a list with commas, without blanks around them and without empty ones. */
export function listOf(text: string): readonly string[] {
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

/** The number if it is in the range. Throws what it must be. */
export function within(number: number, min: number, max: number): number {
  if (number >= min && number <= max) return number;
  throw new Error(`it must be a whole number from ${min} to ${max}`);
}

// --- internal ---

/** As Go's strconv.ParseInt with base 0; NaN for what is none. */
function parseInteger(text: string): number {
  const [, sign, digits = ""] = /^([+-]?)(0x[0-9a-f]+|0b[01]+|0o[0-7]+|[0-9]+)$/i.exec(text) ?? [];
  const octal = /^0[0-9]+$/.test(digits) ? `0o${digits.slice(1)}` : digits;
  return digits === "" ? Number.NaN : Number(octal) * (sign === "-" ? -1 : 1);
}

const noWords = { false: false, 0: false, no: false, n: false, f: false };

function choose<T>(text: string, values: Readonly<Record<string, T>>): T {
  const found = Object.entries(values).find(([name]) => name.toLowerCase() === text.toLowerCase());
  if (found !== undefined) return found[1];
  throw new Error(`it must be one of ${Object.keys(values).join(", ")}`);
}

function durationOf(text: string): number {
  try {
    return parseDuration(text);
  } catch {
    throw new Error("it must be a time such as 90s or 1m30s; in the environment and the file a bare number will do");
  }
}

function required(text: string, isSo: boolean, mustBe: string): string {
  if (isSo) return text;
  throw new Error(mustBe);
}

function expressionOf(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch {
    throw new Error("it must be a regular expression");
  }
}

function interfacePattern(text: string): InterfacePattern {
  if (/^\/\S+\/$/.test(text)) return { pattern: expressionOf(text.slice(1, -1)) };
  if (/^[a-zA-Z0-9_.-]{1,15}$/.test(text)) return { name: text };
  throw new Error("each part must be the name of an interface, or a regular expression between slashes");
}
