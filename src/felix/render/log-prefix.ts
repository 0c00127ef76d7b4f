import type { PolicyPlan } from "../calc/plan.ts";
import type { RenderOptions } from "./options.ts";

/**
 * What the lines of a policy's log rules begin with: `options.logPrefix`, in which %t stands for the tier's name, %k for the short
 * kind, %n for the policy's name and %p for its namespace and name, and ": ". It is cut before that to what the kernel takes, and
 * holds nothing that would need quoting in a rule, whatever the names are.
 */
export function logPrefixOf({ id, tier }: Pick<PolicyPlan, "id" | "tier">, options: LogOptions): string {
  const place = id.slice(id.indexOf("/") + 1);
  const said: Readonly<Record<string, string>> = {
    "%t": tier,
    "%k": id.slice(0, id.indexOf("/")),
    "%n": place.slice(place.lastIndexOf("/") + 1),
    "%p": place,
  };
  const text = options.logPrefix.replaceAll(/%[tknp]/g, (specifier) => said[specifier] ?? specifier);
  return `${text.replaceAll(/[^A-Za-z0-9 _./:-]/g, "_").slice(0, maxLength[options.backend] - end.length)}${end}`;
}

// --- internal ---

type LogOptions = Pick<RenderOptions, "backend" | "logPrefix">;

/** As upstream ends it. */
const end = ": ";

/** Of the LOG target (iptables-extensions(8)), and of the kernel's own log (NF_LOG_PREFIXLEN, with the zero at its end). */
const maxLength: Readonly<Record<RenderOptions["backend"], number>> = { iptables: 29, nftables: 127 };
