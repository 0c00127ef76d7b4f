/** The networks that a policy rule names. */
import { z } from "zod";
import type { Cidr } from "../net/cidr.ts";
import { looseCidrField } from "./fields.ts";

const octet = "(25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})";
const ipv4 = `${octet}([.]${octet}){3}`;
// Near enough for the API server: an IPv6 address in full would be a text that nobody can read. Our own check is exact.
const ipv6 = `[0-9a-fA-F]{0,4}(:[0-9a-fA-F]{0,4}){2,7}([.]${octet}){0,3}`;

const lengths = { ipv4: "[1-9]|[12][0-9]|3[0-2]", ipv6: "[1-9][0-9]?|1[01][0-9]|12[0-8]" } as const;

// As patterns, which cost the API server nothing: CEL over this many networks would be beyond what it allows.
const anyNet = pattern("0|");
const netButAll = pattern("");

/**
 * Networks in any writing, also with host bits set, or single addresses; given in canonical form. An absent list is empty.
 * With `butAll`, none of them may be the network of all addresses.
 */
export function ruleNetsField({ butAll }: { readonly butAll: boolean }) {
  const net = looseCidrField()
    .refine((cidr: Cidr) => !butAll || !cidr.endsWith("/0"), {
      error: "it cannot be 0.0.0.0/0 or ::/0: the rule would match nothing",
    })
    .meta({ openapi: { type: "string", maxLength: 49, pattern: butAll ? netButAll : anyNet } });
  return z
    .array(net)
    .max(256)
    .optional()
    .transform((list) => list ?? [])
    .meta({ "x-kubernetes-list-type": "set" });
}

// --- internal ---

function pattern(zeroLength: string): string {
  return `^(${ipv4}(/(${zeroLength}${lengths.ipv4}))?|${ipv6}(/(${zeroLength}${lengths.ipv6}))?)$`;
}
