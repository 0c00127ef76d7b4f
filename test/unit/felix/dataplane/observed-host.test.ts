import { expect, test } from "vitest";
import type { KernelCall, Written } from "../../../../src/felix/dataplane/dataplane-observer.ts";
import { observedHost } from "../../../../src/felix/dataplane/observed-host.ts";
import { observedNetlink, observedNftables, observedSets } from "../../../../src/felix/dataplane/observed-netlink.ts";
import { LinuxHost } from "../../../../src/host/linux-host.ts";
import type { Netlink } from "../../../../src/host/netlink/netlink.ts";
import type { Nftables } from "../../../../src/host/netlink/nftables.ts";
import type { SetNetlink } from "../../../../src/host/netlink/set-netlink.ts";
import { parseCidr } from "../../../../src/net/cidr.ts";
import { parseIp } from "../../../../src/net/ip.ts";

function watcher() {
  const calls: KernelCall[] = [];
  const written: Partial<Written>[] = [];
  const observer = {
    called: (call: KernelCall) => calls.push(call),
    wrote: (one: Partial<Written>) => written.push(one),
    waitedForLock: () => undefined,
  };
  let now = 0;
  return { calls, written, observer, tick: () => (now += 5) };
}

const transaction = `*filter
:cali-new - -
:cali-old - -
-A cali-new -j DROP
-A cali-new -j ACCEPT
-I cali-grown 3 -j DROP
-D cali-shrunk 2
-X cali-old
COMMIT
*raw
-A cali-PREROUTING -j DROP
COMMIT
# acknowledge 1
`;

/** Runs any program's part with one that does nothing. */
class QuietHost extends LinuxHost {
  override run([, ...rest]: Parameters<LinuxHost["run"]>[0], options?: Parameters<LinuxHost["run"]>[1]) {
    return super.run([rest[0] === "fail" ? "false" : "true"], options);
  }
}

test("programs of iptables and ipset are told with what they wrote, others by their time", async () => {
  const { calls, written, observer, tick } = watcher();
  const host = observedHost(new QuietHost(), observer, tick);
  await host.run(["ip6tables-legacy-restore", "--noflush"], { stdin: transaction });
  await host.run(["/usr/sbin/iptables-save"]);
  await host.run(["ipset", "restore"], {
    stdin: "create a hash:net\ncreate cali4t0 x\nadd a 1\nadd a 2\ndestroy cali4t0\n",
  });
  await host.run(["conntrack", "-L"]);
  await expect(host.run(["iptables-restore", "fail"], { stdin: transaction })).rejects.toThrow("Cannot run false");
  const common = { ms: 5, failed: false, started: true };
  const none = new Map();
  expect(calls).toEqual([
    {
      ...common,
      what: "iptables-restore",
      version: 6,
      lines: new Map([
        ["filter", 7],
        ["raw", 1],
      ]),
    },
    { ...common, what: "iptables-save", version: 4, lines: none },
    { ...common, what: "ipset", lines: new Map([["", 5]]) },
    { ...common, what: "other", lines: none },
    { ...common, what: "iptables-restore", version: 4, failed: true, lines: none },
  ]);
  expect(written).toEqual([
    { chains: 4, chainsRemoved: 1, rules: 4, rulesRemoved: 1 },
    { sets: 2, setsRemoved: 0, members: 2, membersRemoved: 0 },
  ]);
});

test("a program that is kept is told as started once, and its end is passed on", async () => {
  const { calls, written, observer, tick } = watcher();
  const program = observedHost(new EchoHost(), observer, tick).keep(["iptables-nft-restore", "--noflush"]);
  await program.ask(transaction, "# acknowledge 1", 5_000);
  await program.ask("*filter\n-A cali-x -j DROP\nCOMMIT\n# 2\n", "# 2", 5_000);
  expect(calls.map(({ started, what, failed }) => [started, what, failed])).toEqual([
    [true, "iptables-restore", false],
    [false, "iptables-restore", false],
  ]);
  expect(written[1]).toEqual({ chains: 1, chainsRemoved: 0, rules: 1, rulesRemoved: 0 });
  expect(program.isAlive).toBe(true);
  program.close();
  expect(program.isAlive).toBe(false);
  await expect(program.ask("x\n", "x", 1_000)).rejects.toThrow();
  expect(calls.at(-1)).toMatchObject({ failed: true });
});

test("netlink is told by what was acknowledged, and an empty call is none", async () => {
  const { calls, written, observer, tick } = watcher();
  const sets: SetNetlink = {
    change: async (changes) => {
      if (changes.length === 3) throw new Error("refused");
    },
    destroy: async () => ["cali40used"],
    close: () => undefined,
  };
  const observed = observedSets(sets, observer, tick);
  const add = { verb: "add", set: "x", member: parseIp("10.0.0.1") as never } as const;
  await observed.change([]);
  await observed.change([add, { ...add, verb: "remove" }]);
  await expect(observed.change([add, add, add])).rejects.toThrow("refused");
  expect(await observed.destroy(["cali40used", "cali40gone"])).toEqual(["cali40used"]);
  const route = { destination: parseCidr("10.0.0.1/32") };
  const quiet: Pick<Netlink, "replaceRoutes" | "deleteRoutes"> = {
    replaceRoutes: async () => {},
    deleteRoutes: async () => {},
  };
  const netlink = observedNetlink(quiet, observer);
  await netlink.replaceRoutes([route, route]);
  await netlink.deleteRoutes([route]);
  await netlink.deleteRoutes([]);
  expect(written).toEqual([{ members: 1, membersRemoved: 1 }, { setsRemoved: 1 }, { routes: 2 }, { routesRemoved: 1 }]);
  expect(calls.map(({ what, failed, lines }) => [what, failed, lines.get("")])).toEqual([
    ["set-netlink", false, 2],
    ["set-netlink", true, 3],
    ["set-netlink", false, 2],
  ]);
});

test("a transaction of nf_tables is counted by its operations", async () => {
  const { calls, written, observer, tick } = watcher();
  const bare = { commit: async () => {}, port: 77, close: () => undefined } as unknown as Nftables;
  const nftables = observedNftables(bare, observer, tick);
  const id = { version: 4, table: "calico" } as const;
  const rule = { expressions: [], comment: "" };
  await nftables.commit([
    { ...id, kind: "add-table" },
    { ...id, kind: "add-chain", chain: "a" },
    { ...id, kind: "add-rule", chain: "a", rule },
    { ...id, kind: "delete-rule", chain: "b", handle: 3n },
    { ...id, kind: "delete-chain", chain: "c" },
    { ...id, kind: "add-elements", set: "s", elements: [{ key: new Uint8Array(4) }, { key: new Uint8Array(4) }] },
    { ...id, kind: "delete-set", set: "t" },
  ]);
  expect(nftables.port).toBe(77);
  expect(written).toEqual([
    {
      ...{ chains: 2, chainsRemoved: 1, rules: 1, rulesRemoved: 1 },
      ...{ sets: 0, setsRemoved: 1, members: 2, membersRemoved: 0 },
    },
  ]);
  expect(calls).toEqual([{ what: "nft", ms: 5, failed: false, started: false, lines: new Map([["", 7]]) }]);
});

// --- internal ---

/** Keeps a program that says what it hears. */
class EchoHost extends LinuxHost {
  override keep() {
    return super.keep(["cat"]);
  }
}
