import { type ChildProcessWithoutNullStreams, execFileSync, execSync, spawn } from "node:child_process";
import { Dataplane } from "../../src/felix/dataplane/dataplane.ts";
import { partsOfEvent, type RulesBackend, touchesOurs } from "../../src/felix/dataplane/event-parts.ts";
import { IptablesRules } from "../../src/felix/dataplane/iptables-rules.ts";
import type { WorkloadLink } from "../../src/felix/dataplane/link-faults.ts";
import { LinkKeeper } from "../../src/felix/dataplane/link-keeper.ts";
import { NftRules } from "../../src/felix/dataplane/nft-rules.ts";
import { NetlinkRouteDriver } from "../../src/felix/dataplane/route-driver.ts";
import { type Prover, type Repair, Sentinel } from "../../src/felix/dataplane/sentinel.ts";
import type { DesiredState } from "../../src/felix/render/desired-state.ts";
import { printTable } from "../../src/felix/render/iptables.ts";
import { defaultRenderOptions } from "../../src/felix/render/options.ts";
import { render } from "../../src/felix/render/render.ts";
import { systemClock } from "../../src/host/clock.ts";
import { forwardingSettings, hostSettings } from "../../src/host/host-settings.ts";
import type { KernelMonitor } from "../../src/host/netlink/kernel-event.ts";
import { openMonitor } from "../../src/host/netlink/monitor.ts";
import { openNftables } from "../../src/host/netlink/nftables-netlink.ts";
import { openNetlink } from "../../src/host/netlink/route-netlink.ts";
import { openSetNetlink } from "../../src/host/netlink/set-netlink.ts";
import { readSysctl, writeSysctl } from "../../src/host/sysctl.ts";
import { smallPlan } from "../unit/felix/small-plan.ts";
import { NamespaceHost } from "./namespace-host.ts";
import { makeNamespace, type TestNamespace } from "./netlink-namespaces.ts";

/** A node of a few pods whose kernel state a sentinel looks after. */
export interface DriftNode {
  readonly backend: RulesBackend;
  readonly state: DesiredState;
  readonly links: readonly WorkloadLink[];
  readonly dataplane: Dataplane;
  readonly sentinel: Sentinel;
  /** What was repaired, with when it was told, on the monotonic clock. */
  readonly repairs: (Repair & { readonly at: number })[];
  /** How many proofs were made, by what they were of. */
  readonly proofs: string[];
  readonly failures: unknown[];
  /** Runs a program in the node; `iptables` is the backend's variant. */
  run(program: string, ...argv: readonly string[]): string;
  /** Starts a program in the node that is to be fed. */
  start(program: string, ...argv: readonly string[]): ChildProcessWithoutNullStreams;
  /** Runs lines of a shell in the node. */
  script(lines: string): void;
  /** All that is ours in the kernel, as the programs print it. */
  own(): string;
  close(): Promise<void>;
}

/** Periods of 1 s for what the kernel sends no events of. */
function periodsOf(backend: RulesBackend): Readonly<Partial<Record<Repair["part"], number>>> {
  const sets = backend === "nftables" ? {} : { sets: 1000 };
  return { ...sets, settings: 1000, ...(backend === "iptables-legacy" ? { rules: 1000 } : {}) };
}

/** Makes it, with everything applied; the sentinel is not started. */
export async function makeDriftNode(backend: RulesBackend): Promise<DriftNode> {
  const namespace = makeNamespace();
  const variant = backend === "iptables-legacy" ? "legacy" : "nft";
  const programOf = (name: string) => name.replace(/^(ip6?tables)/, `$1-${variant}`);
  const inside = ["netns", "exec", namespace.name];
  const run = (program: string, ...argv: readonly string[]) =>
    execFileSync("ip", [...inside, programOf(program), ...argv], {
      encoding: "utf8",
      maxBuffer: 1 << 26,
      stdio: ["ignore", "pipe", "pipe"],
    });
  const links = wire(namespace);
  const host = new NamespaceHost(namespace.name, programOf);
  const netlink = openNetlink(namespace.path);
  const sets = openSetNetlink(namespace.path);
  const nftables = openNftables(namespace.path);
  const rules = backend === "nftables" ? new NftRules(nftables) : new IptablesRules({ host, sets, print: printTable });
  const dataplane = new Dataplane({ rules, routes: new NetlinkRouteDriver(netlink, "cali"), shapings: noShapings });
  const renderBackend = backend === "nftables" ? "nftables" : "iptables";
  const state = render(smallPlan, { ...defaultRenderOptions, backend: renderBackend });
  await dataplane.apply(state);
  const keeper = new LinkKeeper({
    netlink,
    interfacePrefix: "cali",
    wanted: () => new Map(links.map((link) => [link.hostInterface, link])),
    nodeSettings: () => forwardingSettings(new Set([4, 6])),
    readSetting: (key) => readSysctl(namespace.path, key),
    writeSetting: (key, value) => writeSysctl(namespace.path, key, value),
  });
  const proofs: string[] = [];
  const counted = (prover: Prover): Prover => ({
    parts: prover.parts,
    drift: (parts, insists) => {
      proofs.push([...parts].join());
      return prover.drift(parts, insists);
    },
    repair: () => prover.repair(),
  });
  const repairs: DriftNode["repairs"] = [];
  const failures: unknown[] = [];
  const sentinel = new Sentinel({
    provers: [
      counted(keeper),
      counted({
        parts: new Set(["rules", "sets", "routes"]),
        drift: (parts) => dataplane.drift(state, parts),
        repair: () => dataplane.apply(state),
      }),
    ],
    partsOf: (event) => partsOfEvent(event, { state, links: keeper }),
    periodsMs: periodsOf(backend),
    clock: systemClock,
    onRepaired: (repair) => repairs.push({ ...repair, at: performance.now() }),
    onFailure: (error) => failures.push(error),
  });
  const monitor: KernelMonitor = openMonitor({
    netns: namespace.path,
    follows: touchesOurs(backend),
    onEvent: (event) => sentinel.take(event),
    onEnd: (error) => failures.push(error),
  });
  return {
    ...{ backend, state, links, dataplane, sentinel, repairs, proofs, failures, run },
    start: (program, ...argv) => spawn("ip", [...inside, program, ...argv]),
    script: (lines) => void execSync(`ip netns exec ${namespace.name} sh -e`, { input: lines }),
    own: () => ownState(run, links, backend),
    close: async () => {
      await sentinel.stop();
      await monitor.close();
      netlink.close();
      sets.close();
      nftables.close();
      namespace[Symbol.dispose]();
    },
  };
}

// --- internal ---

/** Shaping has tests of its own. */
const noShapings = { upsert: async () => {}, prune: async () => {}, forget: () => {} };
const MTU = 1450;

/** One link for each endpoint, as CNI leaves it, and `eth0`, which is the node's. */
function wire(namespace: TestNamespace): readonly WorkloadLink[] {
  namespace.ip("link", "set", "lo", "up");
  const links = [...smallPlan.endpoints.values()].map(({ hostInterface, addresses }) => ({
    hostInterface,
    addresses,
    mtu: MTU,
  }));
  for (const { key, value } of forwardingSettings(new Set([4, 6]))) writeSysctl(namespace.path, key, value);
  for (const [index, name] of ["eth0", ...links.map(({ hostInterface }) => hostInterface)].entries()) {
    namespace.ip("link", "add", name, "mtu", `${MTU}`, "type", "veth", "peer", "name", `peer${index}`);
    const link = links.find(({ hostInterface }) => hostInterface === name);
    for (const { key, value } of link === undefined ? [] : hostSettings(link)) writeSysctl(namespace.path, key, value);
    namespace.ip("link", "set", name, "up");
    namespace.ip("link", "set", `peer${index}`, "up");
  }
  namespace.ip("addr", "add", "172.16.0.1/24", "dev", "eth0");
  return links;
}

function ownState(run: DriftNode["run"], links: readonly WorkloadLink[], backend: RulesBackend): string {
  const ofIptables = () => [
    // Ours stand first and last; where others stand between does not matter here.
    ...["iptables-save", "ip6tables-save"].flatMap((program) =>
      run(program)
        .split("\n")
        .filter((line) => line.includes("cali")),
    ),
    ...run("ipset", "save")
      .split("\n")
      .filter((line) => / cali[46]0/.test(line))
      .sort(),
  ];
  const ofNft = () =>
    ["ip", "ip6"].map((family) =>
      run("nft", "list", "table", family, "calico")
        .replace(/elements = \{[^}]*\}/g, sortedElements)
        .replace(/counter packets \d+ bytes \d+/g, "counter"),
    );
  return [
    ...(backend === "nftables" ? ofNft() : ofIptables()),
    ...["-4", "-6"].flatMap((family) =>
      run("ip", family, "route", "show")
        .split("\n")
        .filter((line) => line.includes(" cali") && !line.includes("proto kernel"))
        .map((line) => line.replace(/ (linkdown|pref medium)/g, "").trim())
        .sort(),
    ),
    ...links.map(({ hostInterface: name }) => {
      const [, flags = "", mtu = ""] = /<([^>]*)> mtu (\d+)/.exec(run("ip", "link", "show", name)) ?? [];
      return `${name} ${flags.split(",").includes("UP")} ${mtu}`;
    }),
    run(
      "sysctl",
      "-a",
      "-r",
      "^net.ipv[46].(ip_forward|(conf|neigh).cali.*.(forwarding|proxy_arp|proxy_ndp|rp_filter|accept_ra|route_localnet|disable_ipv6|proxy_delay))$",
    ),
  ].join("\n");
}

function sortedElements(text: string): string {
  return text
    .replace(/[\s{}]+/g, " ")
    .split(/,? /)
    .sort()
    .join(" ");
}
