import type { Host } from "../../host/host.ts";
import { type IptablesVariant, isThere, linkedVariant, variantPrograms } from "./iptables-programs.ts";

/** What is found on the node, before anything is written, that tells which backend its other software works with. */
export interface ObservedBackends {
  readonly iptables: Readonly<Record<IptablesVariant, ObservedVariant>>;
  /** What plain `iptables` leads to; undefined when it is not there. */
  readonly linked: IptablesVariant | undefined;
  /** There is a native nftables table `kube-proxy`: kube-proxy runs in its mode `nftables`. */
  readonly kubeProxyTable: boolean;
}

/** What one variant holds, of both families. */
interface ObservedVariant {
  readonly rules: number;
  /** kubelet, or its installer, has left there the chain that says which variant the node uses. */
  readonly hinted: boolean;
  /** Chains of ours. */
  readonly ours: boolean;
  /** Chains of kube-proxy. */
  readonly kubeProxys: boolean;
}

/** What was decided, and why, as a sentence for the log. */
export type ChosenBackend =
  | { readonly kind: "iptables"; readonly variant: IptablesVariant; readonly reason: string }
  | { readonly kind: "nftables"; readonly reason: string };

/** `iptablesBackend` and `nftablesMode` of FelixConfiguration. */
export interface BackendSettings {
  readonly iptablesBackend: "auto" | IptablesVariant;
  readonly nftablesMode: "auto" | "enabled" | "disabled";
}

/**
 * Reads what both variants hold. Legacy iptables is not asked where it has no table, since asking would load its kernel
 * modules. A variant whose programs are not there holds nothing that could be read. Rejects when one fails or says nonsense.
 */
export async function observeBackends(host: Host, kubeProxyTable: boolean): Promise<ObservedBackends> {
  const [nft, legacy, linked] = await Promise.all([observe(host, "nft"), observe(host, "legacy"), linkedVariant(host)]);
  return { iptables: { nft, legacy }, linked, kubeProxyTable };
}

/**
 * Which backend to use. Native nftables when it is asked for, and by itself where kube-proxy uses it. Else the variant of
 * iptables that is asked for, or that kubelet's hint names, or that holds more rules (ours
 * count, so that an earlier choice stands), or the one of the system.
 */
export function chooseBackend(settings: BackendSettings, observed: ObservedBackends): ChosenBackend {
  const { iptablesBackend, nftablesMode } = settings;
  if (nftablesMode === "enabled") return { kind: "nftables", reason: "nftablesMode is Enabled" };
  if (nftablesMode === "auto" && observed.kubeProxyTable)
    return { kind: "nftables", reason: "nftablesMode is Auto, and kube-proxy uses nftables" };
  const iptables = (variant: IptablesVariant, reason: string) => ({ kind: "iptables", variant, reason }) as const;
  if (iptablesBackend !== "auto") return iptables(iptablesBackend, `iptablesBackend is ${iptablesBackend}`);
  const { legacy, nft } = observed.iptables;
  if (nft.hinted) return iptables("nft", "kubelet's hint is in the nft variant");
  if (legacy.hinted) return iptables("legacy", "kubelet's hint is in the legacy variant");
  if (nft.rules !== legacy.rules) {
    const variant = nft.rules > legacy.rules ? "nft" : "legacy";
    return iptables(variant, `it holds ${observed.iptables[variant].rules} rules, and the other variant fewer`);
  }
  if (observed.linked !== undefined) return iptables(observed.linked, "it is what the system's iptables leads to");
  return iptables("nft", "nothing on the node says otherwise");
}

/**
 * What stands in the way of what was chosen, in sentences for people: rules of kube-proxy elsewhere, which packets pass as well.
 * Empty when all is well. Rules of ours elsewhere are none: whoever writes to the kernel takes them away.
 */
export function backendConflicts(
  chosen: ChosenBackend,
  { iptables, kubeProxyTable }: ObservedBackends,
): readonly string[] {
  const sentences: string[] = [];
  const used = chosen.kind === "iptables" ? `iptables (${chosen.variant})` : "nftables";
  for (const variant of ["nft", "legacy"] as const) {
    if (chosen.kind === "iptables" && chosen.variant === variant) continue;
    if (iptables[variant].kubeProxys)
      sentences.push(
        `kube-proxy's chains are in iptables (${variant}), while ${used} is in use: set both to the same backend`,
      );
  }
  if (chosen.kind === "iptables" && kubeProxyTable)
    sentences.push(`kube-proxy uses nftables, while ${used} is in use: set nftablesMode to Auto or Enabled`);
  return sentences;
}

// --- internal ---

const nothing: ObservedVariant = { rules: 0, hinted: false, ours: false, kubeProxys: false };

async function observe(host: Host, variant: IptablesVariant): Promise<ObservedVariant> {
  const texts = await Promise.all(
    ([4, 6] as const).map(async (version) => {
      if (variant === "legacy" && !(await host.readFile(legacyTables[version]))?.trim()) return "";
      const { save } = variantPrograms[variant][version];
      return (await isThere(host, save)) ? await saved(host, save) : "";
    }),
  );
  return texts.map(observedIn).reduce(merged, nothing);
}

/** The tables that legacy iptables has in the kernel; not there while its module is not. */
const legacyTables = { 4: "/proc/net/ip_tables_names", 6: "/proc/net/ip6_tables_names" } as const;

async function saved(host: Host, program: string): Promise<string> {
  const { stdout } = await host.run([program]);
  if (stdout.split("\n").some((line) => !/^($|[#*:[-]|COMMIT$)/.test(line)))
    throw new Error(
      `Cannot tell which iptables the node uses: ${program} printed no rules but ${JSON.stringify(stdout.slice(0, 200))}`,
    );
  return stdout;
}

function observedIn(text: string): ObservedVariant {
  return {
    rules: text.match(/^(\[[0-9:]+\] )?-A /gm)?.length ?? 0,
    hinted: /^:KUBE-(IPTABLES-HINT|KUBELET-CANARY) /m.test(mangleOf(text)),
    ours: /^:cali-/m.test(text),
    kubeProxys: /^:KUBE-(SERVICES|PROXY-CANARY) /m.test(text),
  };
}

function mangleOf(text: string): string {
  return /^\*mangle\n[\s\S]*?^COMMIT$/m.exec(text)?.[0] ?? "";
}

function merged(a: ObservedVariant, b: ObservedVariant): ObservedVariant {
  return {
    rules: a.rules + b.rules,
    hinted: a.hinted || b.hinted,
    ours: a.ours || b.ours,
    kubeProxys: a.kubeProxys || b.kubeProxys,
  };
}
