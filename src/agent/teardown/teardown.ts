import { emptyTables } from "../../felix/dataplane/empty-tables.ts";
import { NetlinkQdiscDriver } from "../../felix/dataplane/qdisc-driver.ts";
import { NetlinkRouteDriver } from "../../felix/dataplane/route-driver.ts";
import type { Host } from "../../host/host.ts";
import type { Link, Netlink } from "../../host/netlink/netlink.ts";
import type { Nftables } from "../../host/netlink/nftables.ts";
import type { SetNetlink } from "../../host/netlink/set-netlink.ts";
import type { TrafficControl } from "../../host/netlink/traffic-control.ts";
import { codeOf } from "../../host/system-error.ts";
import type { Clock } from "../../net/clock.ts";
import { messageOf } from "../../net/message-of.ts";

/** All of one network namespace. */
export interface TeardownParts {
  readonly host: Pick<Host, "run">;
  readonly netlink: Netlink;
  readonly sets: SetNetlink;
  readonly nftables: Nftables;
  readonly trafficControl: TrafficControl;
  /** What the names of workload interfaces begin with. */
  readonly interfacePrefix: string;
  /** The rtm_protocol of agents' routes (`deviceRouteProtocol`). */
  readonly routeProtocol: number;
  readonly clock: Pick<Clock, "sleep">;
  /** Told in a sentence of each thing that was removed, or was left though it is ours. */
  readonly tell: (line: string) => void;
}

/**
 * Takes away what agents have put into the kernel: routes to pods, their shaping, rules and chains of both variants of iptables,
 * sets, and the nftables tables `calico`. In that order, so that no pod can be reached without its policy. Pods' interfaces and
 * addresses stay, as do sysctls, others' rules, and tables of iptables that are empty then. What cannot be removed is told, and
 * the rest is gone on with; answers how much of that there was. To be called again is no error.
 */
export async function teardown(parts: TeardownParts): Promise<number> {
  let failures = 0;
  for (const step of [removeRoutes, removeShaping, removeRules, removeSets, removeTables]) {
    await step(parts, (action, error) => {
      failures++;
      parts.tell(`Cannot ${action}: ${messageOf(error)}`);
    }).catch((error: unknown) => {
      failures++;
      parts.tell(messageOf(error));
    });
  }
  return failures;
}

// --- internal ---

type Failed = (action: string, error: unknown) => void;

async function removeRoutes({ netlink, interfacePrefix, routeProtocol, tell }: TeardownParts): Promise<void> {
  const before = await countRoutes(netlink);
  await new NetlinkRouteDriver(netlink, interfacePrefix, { protocol: routeProtocol, removesExternal: false }).prune(
    new Map(),
  );
  const removed = before - (await countRoutes(netlink));
  if (removed > 0) tell(`removed ${counted(removed, "route")} to pods`);
}

async function countRoutes(netlink: Netlink): Promise<number> {
  return (await netlink.routes(4)).length + (await netlink.routes(6)).length;
}

async function removeShaping(parts: TeardownParts, failed: Failed): Promise<void> {
  const { netlink, trafficControl, interfacePrefix, tell } = parts;
  const isIfb = ({ name }: Link) => name.startsWith("bwcali");
  const before = (await netlink.links()).filter(isIfb).length + (await trafficControl.qdiscs()).length;
  const driver = new NetlinkQdiscDriver({
    ...{ netlink, trafficControl, interfacePrefix },
    onRefused: (hostInterface, error) => failed(`remove the shaping of ${hostInterface || "pods"}`, error),
  });
  await driver.prune(new Map());
  const after = (await netlink.links()).filter(isIfb).length + (await trafficControl.qdiscs()).length;
  if (before > after) tell("removed the shaping of pods' traffic");
}

async function removeRules(parts: TeardownParts, failed: Failed): Promise<void> {
  for (const variant of ["nft", "legacy"] as const) {
    for (const program of ["iptables", "ip6tables"] as const) {
      const name = `${program}-${variant}`;
      await removeRulesOf(name, parts).catch((error: unknown) => failed(`remove the rules of ${name}`, error));
    }
  }
}

async function removeRulesOf(name: string, { host, tell }: TeardownParts): Promise<void> {
  const saved = await host.run([`${name}-save`]).catch((error: unknown) => {
    // A variant that is not installed has no rules of ours.
    if (error instanceof Error && codeOf(error.cause) === "ENOENT") return undefined;
    throw error;
  });
  if (saved === undefined) {
    tell(`${name} is not installed: nothing was looked for there`);
    return;
  }
  const { text, chains, rules, kept } = emptyTables(saved.stdout);
  if (text === "") return;
  await host.run([`${name}-restore`, "--noflush", "--wait", "30"], { stdin: text, timeoutMs: 120_000 });
  tell(`removed ${counted(chains, "chain")} and ${counted(rules, "rule")} from ${name}`);
  for (const chain of kept) tell(`left the chain ${chain} of ${name}, now empty: a rule of others leads to it`);
}

async function removeSets({ host, sets, clock, tell }: TeardownParts): Promise<void> {
  const { stdout } = await host.run(["ipset", "list", "-name"]);
  const ours = stdout.split("\n").filter((name) => /^cali[46][0t]/.test(name));
  if (ours.length === 0) return;
  let left: readonly string[] = ours;
  for (let attempt = 1; ; attempt++) {
    left = await sets.destroy(left);
    if (left.length === 0 || attempt === mostAttempts) break;
    // The kernel frees rules some time after it has forgotten them.
    await clock.sleep(100);
  }
  if (ours.length > left.length) tell(`removed ${counted(ours.length - left.length, "set")}`);
  for (const name of left) tell(`left the set ${name}: a rule of others uses it`);
}

async function removeTables({ nftables, tell }: TeardownParts, failed: Failed): Promise<void> {
  for (const version of [4, 6] as const) {
    const family = version === 4 ? "ip" : "ip6";
    try {
      if (!(await nftables.tables(version)).includes("calico")) continue;
      await nftables.commit([{ kind: "delete-table", version, table: "calico" }]);
      tell(`removed the nftables table ${family} calico`);
    } catch (error) {
      failed(`remove the nftables table ${family} calico`, error);
    }
  }
}

const mostAttempts = 50;

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
