/** Protocols and ports of policy rules, each as a number or as text. */
import { z } from "zod";
import { protocolNumbers } from "../net/protocol-numbers.ts";
import type { RulePort } from "./policy-rule.ts";

/** A protocol may be written by any of these names. */
const named: ReadonlyMap<string, number> = new Map(Object.entries(protocolNumbers));
const names = [...named.keys()].join("|");
const protocolText = new RegExp(`^(${names}|[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5])$`);
const protocolError = `it must be one of ${[...named.keys()].join(", ")}, or a number from 1 to 255`;

/** A protocol by name or number, given as its IANA number. */
export function protocolField() {
  return z
    .union([z.int().min(1).max(255), z.string().regex(protocolText)], { error: protocolError })
    .transform((value) => (typeof value === "number" ? value : (named.get(value) ?? Number(value))))
    .meta({
      openapi: { "x-kubernetes-int-or-string": true, minimum: 1, maximum: 255, pattern: protocolText.source },
    });
}

const portPattern = "[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]";
const numericText = new RegExp(`^(${portPattern})(:(${portPattern}))?$`);
// A name has a character that is no digit: what looks like a number is one, or is wrong.
const nameText = /^[0-9]*[a-zA-Z_.-][a-zA-Z0-9_.-]*$/;
const maxNameLength = 128;
const portError = "it must be a port from 1 to 65535, a range such as 80:90, or the name of a port";

/** A port, a range `first:last` or the name of a port. */
export function rulePortField() {
  return z
    .union([z.int().min(1).max(65535), z.string().max(maxNameLength)], { error: portError })
    .transform((value, context): RulePort => {
      if (typeof value === "number") return { first: value, last: value };
      const [, first, , last = first] = numericText.exec(value) ?? [];
      if (first === undefined && nameText.test(value)) return { name: value };
      if (first !== undefined && Number(first) <= Number(last)) return { first: Number(first), last: Number(last) };
      context.addIssue(first === undefined ? portError : "the range must not end before it begins");
      return z.NEVER;
    })
    .meta({
      openapi: {
        "x-kubernetes-int-or-string": true,
        ...{ minimum: 1, maximum: 65535, maxLength: maxNameLength },
        pattern: `${numericText.source}|${nameText.source}`,
      },
    });
}

/** IANA numbers of the protocols that have ports which rules can match. */
export const protocolsWithPorts: readonly number[] = [6, 17, 132];
