import { execFileSync } from "node:child_process";
import { afterEach, beforeEach, expect, test } from "vitest";
import { findPrograms, type IptablesVariant, variantPrograms } from "../../src/felix/dataplane/iptables-programs.ts";
import { backendConflicts, chooseBackend, observeBackends } from "../../src/felix/dataplane/iptables-variant.ts";
import { NamespaceHost } from "./namespace-host.ts";
import { makeNamespace, type TestNamespace } from "./netlink-namespaces.ts";

/** `/proc/net` is that of whoever reads it. */
class ReadingHost extends NamespaceHost {
  override async readFile(path: string) {
    const { stdout } = await this.run(["sh", "-c", 'cat "$1" || true', "sh", path]);
    return stdout === "" ? undefined : stdout;
  }
}

let namespace: TestNamespace;
let host: ReadingHost;

beforeEach(() => {
  namespace = makeNamespace();
  host = new ReadingHost(namespace.name);
});
afterEach(() => namespace[Symbol.dispose]());

const iptables = (program: string, ...argv: readonly string[]) =>
  execFileSync("ip", ["netns", "exec", namespace.name, program, ...argv]);
const auto = { iptablesBackend: "auto", nftablesMode: "auto" } as const;
const chosen = async () => chooseBackend(auto, await observeBackends(host, false));

test("a fresh namespace is asked about nft alone, and has what the system has", async () => {
  const { variant } = { variant: undefined, ...(await chosen()) };
  const { stdout } = await host.run(["iptables", "--version"]);
  expect(variant).toBe(stdout.includes("nf_tables") ? "nft" : "legacy");
  expect(host.ran.filter((name) => name.includes("legacy"))).toEqual([]);
  expect(host.ran).toContain("iptables-nft-save");
});

test.each(["nft", "legacy"] as const)(
  "what kubelet, kube-proxy and we leave in a namespace is found (%s)",
  async (variant) => {
    const other: IptablesVariant = variant === "nft" ? "legacy" : "nft";
    for (const port of ["1", "2", "3"]) iptables(`ip6tables-${other}`, "-A", "INPUT", "-p", "tcp", "--dport", port);
    expect(await chosen()).toMatchObject({ variant: other });
    iptables(`iptables-${variant}`, "-t", "mangle", "-N", "KUBE-IPTABLES-HINT");
    expect(await chosen()).toMatchObject({ variant, reason: expect.stringContaining("kubelet") });
    iptables(`ip6tables-${other}`, "-N", "cali-FORWARD");
    iptables(`iptables-${other}`, "-t", "nat", "-N", "KUBE-SERVICES");
    const observed = await observeBackends(host, false);
    expect([observed.iptables[other].ours, observed.iptables[variant].ours]).toEqual([true, false]);
    expect(backendConflicts(await chosen(), observed)).toEqual([
      expect.stringContaining(`kube-proxy's chains are in iptables (${other})`),
    ]);
  },
);

test("both variants' programs are here", async () => {
  for (const variant of ["nft", "legacy"] as const) {
    expect(await findPrograms(host, variant)).toBe(variantPrograms[variant]);
  }
});
