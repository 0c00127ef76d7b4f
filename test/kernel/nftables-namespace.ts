import { execFileSync } from "node:child_process";
import type { Nftables, NftOperation, NftTableId } from "../../src/host/netlink/nftables.ts";
import { openNftables } from "../../src/host/netlink/nftables-netlink.ts";
import { makeNamespace, type TestNamespace } from "./netlink-namespaces.ts";

/** The table that tests write to. */
export const tableOf = (version: 4 | 6): NftTableId => ({ version, table: "calico" });

/** A namespace of its own, nf_tables in it, and nft(8) to compare with. Disposing of it closes and deletes both. */
export interface NftNamespace extends Disposable {
  readonly namespace: TestNamespace;
  readonly nftables: Nftables;
  /** Runs nft in the namespace and answers what it printed. */
  nft(input: string | readonly string[]): string;
  commit(...operations: readonly NftOperation[]): Promise<void>;
}

/** Makes one; the table of both families is there, and empty. */
export async function makeNftNamespace(): Promise<NftNamespace> {
  const namespace = makeNamespace();
  const nftables = openNftables(namespace.path);
  const nft = (input: string | readonly string[]) => {
    const argv = ["netns", "exec", namespace.name, "nft", ...(typeof input === "string" ? ["-f", "-"] : input)];
    const stdin = typeof input === "string" ? input : "";
    return execFileSync("ip", argv, {
      input: stdin,
      encoding: "utf8",
      stdio: ["pipe", "pipe", "pipe"],
      maxBuffer: 2 ** 26,
    });
  };
  await nftables.commit([4, 6].map((version) => ({ ...tableOf(version as 4 | 6), kind: "add-table" })));
  return {
    namespace,
    nftables,
    nft,
    commit: (...operations) => nftables.commit(operations),
    [Symbol.dispose]: () => {
      nftables.close();
      namespace[Symbol.dispose]();
    },
  };
}

/** The bytes of an IPv4 address, port or interface name, for a key of a set. */
export const keys = {
  ip: (text: string) => Uint8Array.from(text.split(".").map(Number)),
  name: (text: string) => Buffer.from(text.padEnd(16, "\0")),
};
