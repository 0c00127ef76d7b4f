import { CommandError, type Host } from "../../host/host.ts";
import type { IpVersion } from "../../net/ip.ts";

/** Where in the kernel iptables(8) keeps its rules: in its own tables, or in nftables. */
export type IptablesVariant = "legacy" | "nft";

/** The programs of iptables that one variant is worked with. */
export type IptablesPrograms = Readonly<Record<IpVersion, FamilyPrograms>>;

interface FamilyPrograms {
  readonly iptables: string;
  readonly save: string;
  readonly restore: string;
}

/** Those that the system's alternatives lead to, of whatever variant. */
export const linkedPrograms: IptablesPrograms = programsNamed("");

/** Those of the variant by its own name, whatever the system's alternatives say. */
export const variantPrograms: Readonly<Record<IptablesVariant, IptablesPrograms>> = {
  legacy: programsNamed("-legacy"),
  nft: programsNamed("-nft"),
};

/**
 * The variant's programs; where a system has but plain `iptables`, those, if it is of that variant. Rejects when they are not
 * there, and says which package has them.
 */
export async function findPrograms(host: Host, variant: IptablesVariant): Promise<IptablesPrograms> {
  const own = variantPrograms[variant];
  const missing = await missingOf(host, own);
  if (missing.length === 0) return own;
  const linked = await linkedVariant(host);
  if (linked === variant && (await missingOf(host, linkedPrograms)).length === 0) return linkedPrograms;
  throw new Error(
    `Cannot use iptables of the ${variant} variant: ${missing.join(", ")} not found; ` +
      "install the package iptables, in some distributions iptables-" +
      `${variant === "nft" ? "nft" : "legacy"}, or set iptablesBackend to a variant that is there`,
  );
}

/** The variant that plain `iptables` is of; undefined when it is not there or too old to say. */
export async function linkedVariant(host: Host): Promise<IptablesVariant | undefined> {
  const said = await versionOf(host, linkedPrograms[4].iptables);
  if (said === undefined) return undefined;
  if (said.includes("(nf_tables)")) return "nft";
  // Before 1.8 there was but one, and it did not name itself.
  return /\(legacy\)|v1\.[0-7]\./.test(said) ? "legacy" : undefined;
}

/** Whether there is a program of that name. Rejects when it is and cannot say its version. */
export async function isThere(host: Host, program: string): Promise<boolean> {
  return (await versionOf(host, program)) !== undefined;
}

// --- internal ---

function programsNamed(infix: string): IptablesPrograms {
  const family = (name: string) => ({
    iptables: `${name}${infix}`,
    save: `${name}${infix}-save`,
    restore: `${name}${infix}-restore`,
  });
  return { 4: family("iptables"), 6: family("ip6tables") };
}

async function missingOf(host: Host, programs: IptablesPrograms): Promise<readonly string[]> {
  const names = Object.values(programs).flatMap((family) => Object.values(family));
  const found = await Promise.all(names.map((name) => versionOf(host, name)));
  return names.filter((_, index) => found[index] === undefined);
}

/** Undefined when there is no such program. */
async function versionOf(host: Host, program: string): Promise<string | undefined> {
  try {
    return (await host.run([program, "--version"])).stdout;
  } catch (error) {
    if (error instanceof CommandError && error.exitCode === undefined && error.message.includes("ENOENT"))
      return undefined;
    throw error;
  }
}
