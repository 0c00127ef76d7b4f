import { describe, expect, test } from "vitest";
import { findPrograms, linkedPrograms, variantPrograms } from "../../../../src/felix/dataplane/iptables-programs.ts";
import {
  backendConflicts,
  chooseBackend,
  type ObservedBackends,
  observeBackends,
} from "../../../../src/felix/dataplane/iptables-variant.ts";
import { CommandError } from "../../../../src/host/host.ts";
import { LinuxHost } from "../../../../src/host/linux-host.ts";

/** A machine that has these programs, which print these texts, and these files. */
class ListedHost extends LinuxHost {
  readonly ran: string[] = [];
  readonly #programs: Readonly<Record<string, string>>;
  readonly #files: Readonly<Record<string, string>>;

  constructor(programs: Readonly<Record<string, string>>, files: Readonly<Record<string, string>> = {}) {
    super();
    this.#programs = programs;
    this.#files = files;
  }

  override async run(argv: readonly [string, ...string[]]) {
    const [name, option] = argv;
    const stdout = this.#programs[name];
    if (stdout === undefined)
      throw new CommandError({ argv, exitCode: undefined, reason: "could not be started: ENOENT" });
    if (option !== "--version") this.ran.push(name);
    const variant = name === "iptables" ? stdout : "";
    return { stdout: option === "--version" ? `iptables v1.8.9 ${variant}\n` : stdout, stderr: "" };
  }

  override async readFile(path: string) {
    return this.#files[path];
  }
}

const none = { rules: 0, hinted: false, ours: false, kubeProxys: false };
const observed = (parts: {
  nft?: Partial<typeof none>;
  legacy?: Partial<typeof none>;
  linked?: "nft" | "legacy";
  kubeProxyTable?: boolean;
}): ObservedBackends => ({
  iptables: { nft: { ...none, ...parts.nft }, legacy: { ...none, ...parts.legacy } },
  linked: parts.linked,
  kubeProxyTable: parts.kubeProxyTable ?? false,
});
const auto = { iptablesBackend: "auto", nftablesMode: "auto" } as const;

describe("the backend", () => {
  test.each([
    ["nothing is known", {}, "nft"],
    ["the system has legacy", { linked: "legacy" as const }, "legacy"],
    ["legacy holds more", { legacy: { rules: 11 }, nft: { rules: 10 }, linked: "nft" as const }, "legacy"],
    ["nft holds more", { legacy: { rules: 10 }, nft: { rules: 11 }, linked: "legacy" as const }, "nft"],
    ["kubelet hints at nft", { legacy: { rules: 99 }, nft: { hinted: true } }, "nft"],
    ["kubelet hints at legacy", { legacy: { hinted: true }, nft: { rules: 99 } }, "legacy"],
    ["kubelet hints at both", { legacy: { hinted: true, rules: 9 }, nft: { hinted: true } }, "nft"],
  ] as const)("when %s is of the right variant", (_, parts, variant) => {
    expect(chooseBackend(auto, observed(parts))).toMatchObject({ kind: "iptables", variant });
    const other = variant === "nft" ? "legacy" : "nft";
    expect(chooseBackend({ ...auto, iptablesBackend: other }, observed(parts))).toMatchObject({ variant: other });
  });

  test("is nftables when kube-proxy uses it, or when it is asked for, and not when that is forbidden", () => {
    const proxied = observed({ kubeProxyTable: true });
    expect(chooseBackend(auto, proxied).kind).toBe("nftables");
    expect(chooseBackend({ ...auto, iptablesBackend: "legacy" }, proxied).kind).toBe("nftables");
    expect(chooseBackend({ ...auto, nftablesMode: "disabled" }, proxied).kind).toBe("iptables");
    expect(chooseBackend({ ...auto, nftablesMode: "enabled" }, observed({})).kind).toBe("nftables");
  });
});

describe("conflicts", () => {
  const all = observed({
    nft: { ours: true, kubeProxys: true },
    legacy: { ours: true, kubeProxys: true },
    kubeProxyTable: true,
  });

  test("are what is elsewhere than where we write", () => {
    expect(backendConflicts({ kind: "iptables", variant: "nft", reason: "" }, all)).toEqual([
      expect.stringMatching(/^kube-proxy's chains are in iptables \(legacy\)/),
      expect.stringMatching(/^kube-proxy uses nftables/),
    ]);
    expect(backendConflicts({ kind: "nftables", reason: "" }, all)).toHaveLength(2);
  });

  test("are none when all is in one place", () => {
    const legacy = observed({ legacy: { ours: true, kubeProxys: true, rules: 9 } });
    expect(backendConflicts({ kind: "iptables", variant: "legacy", reason: "" }, legacy)).toEqual([]);
    expect(backendConflicts({ kind: "nftables", reason: "" }, observed({ kubeProxyTable: true }))).toEqual([]);
  });
});

const savedText = `# Generated
*mangle
:PREROUTING ACCEPT [0:0]
:KUBE-IPTABLES-HINT - [0:0]
COMMIT
*filter
:KUBE-SERVICES - [0:0]
:cali-FORWARD - [0:0]
-A FORWARD -j cali-FORWARD
[3:180] -A cali-FORWARD -j DROP
COMMIT
`;

describe("what is found", () => {
  const saves = { "iptables-nft-save": savedText, "ip6tables-nft-save": "", iptables: "(nf_tables)" };

  test("is counted over both families", async () => {
    const host = new ListedHost({ ...saves, "ip6tables-nft-save": savedText });
    expect((await observeBackends(host, true)).iptables.nft).toEqual({
      ...{ rules: 4, hinted: true, ours: true, kubeProxys: true },
    });
  });

  test("a chain named like the hint in another table is none", async () => {
    const text = savedText.replace("*mangle", "*nat");
    const found = await observeBackends(new ListedHost({ ...saves, "iptables-nft-save": text }), false);
    expect(found.iptables.nft.hinted).toBe(false);
    expect(found.linked).toBe("nft");
  });

  test("legacy is asked only where it has tables", async () => {
    const programs = { ...saves, "iptables-legacy-save": savedText, "ip6tables-legacy-save": savedText };
    const unused = new ListedHost(programs, { "/proc/net/ip_tables_names": "" });
    expect((await observeBackends(unused, false)).iptables.legacy).toEqual(none);
    expect(unused.ran).not.toContain("iptables-legacy-save");
    const used = new ListedHost(programs, { "/proc/net/ip6_tables_names": "filter\n" });
    expect((await observeBackends(used, false)).iptables.legacy.rules).toBe(2);
    expect(used.ran).toContain("ip6tables-legacy-save");
    expect(used.ran).not.toContain("iptables-legacy-save");
  });

  test("nonsense is no empty node", async () => {
    const host = new ListedHost({ ...saves, "iptables-nft-save": "Segmentation fault\n" });
    await expect(observeBackends(host, false)).rejects.toThrow("iptables-nft-save printed no rules but");
  });
});

describe("the programs", () => {
  const named = (variant: "nft" | "legacy" | undefined) => {
    const programs = variant === undefined ? linkedPrograms : variantPrograms[variant];
    return Object.fromEntries(
      Object.values(programs).flatMap((family) => Object.values(family).map((name) => [name, ""])),
    );
  };

  test("are the variant's own, or plain ones of that variant", async () => {
    const all = new ListedHost({ ...named("nft"), ...named("legacy"), ...named(undefined), iptables: "(nf_tables)" });
    expect(await findPrograms(all, "legacy")).toBe(variantPrograms.legacy);
    const plain = new ListedHost({ ...named(undefined), iptables: "(legacy)" });
    expect(await findPrograms(plain, "legacy")).toBe(linkedPrograms);
    await expect(findPrograms(plain, "nft")).rejects.toThrow(
      /iptables-nft, .* not found; install the package iptables/,
    );
  });
});
