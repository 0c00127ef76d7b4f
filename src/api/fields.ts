/** Fields that several kinds share. Where CEL can say it, each is checked here exactly as the API server checks it. */

import { z } from "zod";
import { type Cidr, isCanonicalCidr, parseCidr } from "../net/cidr.ts";
import { type Ip, isIp, parseIp } from "../net/ip.ts";
import { messageOf } from "../net/message-of.ts";
import { parseAsNumber } from "./as-number.ts";
import { type Rule, validations, withRules } from "./custom-kind.ts";
import { parseDuration } from "./duration.ts";
import { parseSelector } from "./selector/parse-selector.ts";

const cidrRule: Rule<string> = {
  cel: "isCIDR(self) && string(cidr(self).masked()) == self",
  message: "it must be a network in canonical form, host bits zero, such as 10.0.0.0/8 or 2001:db8::/32",
  field: "",
  holds: isCanonicalCidr,
};

/** A network in canonical text. A longest IPv6 prefix has 43 characters; the bound keeps the CEL rule cheap. */
export function cidrField(): z.ZodType<Cidr, string> {
  return withRules(z.string().max(43), [cidrRule]).transform((text) => text as Cidr);
}

const networkRule: Rule<string> = {
  cel: "isCIDR(self)",
  message: "it must be a network such as 10.0.0.0/8 or 2001:db8::/32",
  field: "",
  holds: isNetwork,
};

/** A network in any writing of at most `longest` characters, also with host bits set, given in canonical form. */
export function networkField(longest = 49): z.ZodType<Cidr, string> {
  return withRules(z.string().max(longest), [networkRule]).transform(parseCidr);
}

const netRule: Rule<string> = {
  cel: "isCIDR(self) || isIP(self)",
  message: "it must be a network such as 10.0.0.0/8 or 2001:db8::/32, or an address",
  field: "",
  holds: isNet,
};

/** A network in any writing, also with host bits set, or one address; given in canonical form. */
export function netField(): z.ZodType<Cidr, string> {
  return withRules(z.string().max(49), [netRule]).transform(parseCidr);
}

/** Any writing of a network or of one address, given in canonical form; what the API server has not looked at. */
export function looseCidrField(): z.ZodType<Cidr, string> {
  return z.string().transform((text, context) => {
    try {
      return parseCidr(text);
    } catch {
      context.addIssue("it must be a network such as 10.0.0.0/8 or 2001:db8::/32");
      return z.NEVER;
    }
  });
}

/** An address, given in canonical form. */
export function ipField(): z.ZodType<Ip, string> {
  return z.string().refine(isIp, { error: "it must be an IPv4 or IPv6 address", abort: true }).transform(parseIp);
}

const int64Error = "it must be a whole number of at most 64 bits, read without rounding";

/** 64 bits signed, kept exactly: a number that JSON.parse has already rounded is refused. */
export function int64Field(): z.ZodType<bigint, bigint | number | string> {
  const digits = z.string().regex(/^-?[0-9]{1,19}$/, { error: int64Error });
  return z
    .union([z.bigint(), z.int({ error: int64Error }), digits], { error: int64Error })
    .transform((value) => BigInt(value))
    .refine((value) => BigInt.asIntN(64, value) === value, { error: int64Error })
    .meta({ openapi: { type: "integer", format: "int64" } });
}

/** RFC 3339 with a zone. */
export function timeField(): z.ZodType<string, string> {
  return z.iso.datetime({ offset: true }).meta({ openapi: { type: "string", format: "date-time" } });
}

/** A selector in Calico's language; the API server can check no more than its length. */
export function selectorField(): z.ZodType<string, string> {
  return z
    .string()
    .max(1024)
    .superRefine((text, context) => {
      try {
        parseSelector(text);
      } catch (error) {
        context.addIssue(messageOf(error));
      }
    });
}

const asNumberRule: Rule<number | string> = {
  // The cost of a rule is reckoned for the longest text there could be, and one expression is all that fits: a text
  // that is out of range is left to our own check.
  cel: "type(self) == int ? self >= 0 && self <= 4294967295 : self.matches('^[0-9]{1,10}([.][0-9]{1,5})?$')",
  message: "it must be an AS number, 0 to 4294967295, or in two parts such as 1.10 (RFC 5396 asdot+)",
  field: "",
  holds: (value) => parseAsNumber(value) !== undefined,
};

/** An AS number, as a number or as text in asplain or asdot+ (RFC 5396). 0 stands for none, as upstream has it. */
export function asNumberField(): z.ZodType<number | undefined, number | string> {
  return withRules(z.union([z.int(), z.string()], { error: asNumberRule.message }), [asNumberRule])
    .transform((value) => parseAsNumber(value) || undefined)
    .meta({ openapi: { "x-kubernetes-int-or-string": true, ...validations([asNumberRule]) } });
}

/** A duration as Go writes it, e.g. `1m30s` (metav1.Duration). */
export function durationField(): z.ZodType<string, string> {
  return z
    .string()
    .max(64)
    .regex(/^(0|([0-9]+([.][0-9]+)?(ns|us|µs|ms|s|m|h))+)$/, {
      error: "it must be a duration such as 90s or 1m30s",
      abort: true,
    })
    .refine(isDuration, { error: "it must be shorter than 292 years" });
}

// --- internal ---

function isNetwork(text: string): boolean {
  return text.includes("/") && isNet(text);
}

function isNet(text: string): boolean {
  try {
    parseCidr(text);
    return true;
  } catch {
    return false;
  }
}

function isDuration(text: string): boolean {
  try {
    parseDuration(text);
    return true;
  } catch {
    return false;
  }
}
