import { isCanonicalCidr } from "../../net/cidr.ts";
import { isIp } from "../../net/ip.ts";
import type { BirdLogLevel } from "../plan/bird-config.ts";
import type { BirdFilterRule } from "../plan/bird-filter.ts";
import type { Community } from "../plan/community.ts";

/**
 * The only ways a value gets into BIRD's configuration, by helper name. Each prints its value if it has exactly the form
 * that is expected there, and throws otherwise, so that no name or address can end a statement and begin another.
 */
export const valuePrinters = {
  ip: (value: unknown) => checked("an IP address", value, (text) => isIp(text)),
  cidr,
  number,
  /** A name of a protocol. BIRD takes 64 characters. */
  symbol: (value: unknown) => checked("a name", value, (text) => /^[A-Za-z][A-Za-z0-9_]{0,63}$/.test(text)),
  /** A name of a function, in the apostrophes between which BIRD takes `.` and `-` too. */
  filterName: (value: unknown) =>
    `'${checked("a filter's name", value, (text) => /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/.test(text))}'`,
  flag: (value: unknown) => checked("true or false", value, (text) => /^(true|false)$/.test(text)),
  /** A text in quotes: BIRD knows no escape inside them, so printable ASCII without quotes only. */
  quoted: (value: unknown) => `"${checked("a quoted text", value, (text) => /^[ !#-~]*$/.test(text))}"`,
  password,
  logging: (value: unknown) =>
    logging[checked("a log level", value, (text) => Object.hasOwn(logging, text)) as BirdLogLevel],
  /** A priority (a metric of the kernel, 1 to 2147483646) as the local preference that stands for it: the lower, the higher. */
  localPref: (value: unknown) => {
    const isPriority = (text: string) => /^[1-9]\d{0,9}$/.test(text) && Number(text) < highestPriority;
    return String(highestPriority - Number(checked("a priority", value, isPriority)));
  },
  hasCommunity: (value: Community) => `${tuple(value)} ~ ${listOf(value)}`,
  addCommunity: (value: Community) => `${listOf(value)}.add(${tuple(value)});`,
  netMatch: (value: NonNullable<BirdFilterRule["net"]>) => {
    const { operator, length } = value;
    const sign = netSigns[checked("an operator", operator, (text) => Object.hasOwn(netSigns, text)) as typeof operator];
    if (operator === "Equal" || operator === "NotEqual") return `${sign} ${cidr(value.cidr)}`;
    const lengths = length === undefined ? "+" : `{${number(length.min)},${number(length.max)}}`;
    return `${sign} [ ${cidr(value.cidr)}${lengths} ]`;
  },
} as const;

// --- internal ---

/** 2³¹ - 1, as upstream. */
const highestPriority = 2_147_483_647;

const netSigns = { Equal: "=", NotEqual: "!=", In: "~", NotIn: "!~" } as const;

/** BIRD says nothing at debug or trace level unless its protocols are told to. */
const logging = {
  debug: "log stderr all;\ndebug protocols all;",
  info: "log stderr all;",
  warning: "log stderr { remote, warning, error, auth, fatal, bug };",
  error: "log stderr { error, auth, fatal, bug };",
  fatal: "log stderr { fatal, bug };",
  // Without any such line BIRD chooses for itself.
  none: 'log "/dev/null" all;',
} as const satisfies Record<BirdLogLevel, string>;

function cidr(value: unknown): string {
  return checked("a network", value, (text) => isCanonicalCidr(text));
}

/** An unsigned integer of 32 bits. */
function number(value: unknown): string {
  return checked("a number", value, (text) => /^\d{1,10}$/.test(text) && Number(text) <= 0xffffffff);
}

/** In quotes, as `quoted`; TCP MD5 takes 80 characters. An error must not tell it. */
function password(value: unknown): string {
  if (typeof value === "string" && /^[ !#-~]{1,80}$/.test(value)) return `"${value}"`;
  throw new Error(
    "Cannot print a password in BIRD's configuration: it must be 1 to 80 printable ASCII characters, no quotes",
  );
}

function tuple(community: Community): string {
  return `(${community.map(number).join(", ")})`;
}

function listOf(community: Community): string {
  return checked("a community", community, () => community.length === 2 || community.length === 3) &&
    community.length === 2
    ? "bgp_community"
    : "bgp_large_community";
}

function checked(what: string, value: unknown, isValid: (text: string) => boolean): string {
  const text = String(value);
  if (!isValid(text)) throw new Error(`Cannot print ${JSON.stringify(text)} in BIRD's configuration as ${what}`);
  return text;
}
