import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BgpFabric, FabricHost } from "../bgp-fabric.ts";
import { Daemons } from "./daemons.ts";
import type { LearnedPath, Router, RouterPlan } from "./router.ts";

/** FRR 8: bgpd, which writes to the kernel through zebra, and bfdd. */
export async function startFrr(fabric: BgpFabric, host: FabricHost, plan: RouterPlan): Promise<Router> {
  const folder = await mkdtemp(join(tmpdir(), "margay-frr-"));
  // Its programs take a user of their own.
  await chmod(folder, 0o777);
  // Next hops in another rack are behind the default route, which FRR does not count as a way to them unless it is told to.
  await writeFile(join(folder, "zebra.conf"), "ip nht resolve-via-default\n");
  await writeFile(join(folder, "bfdd.conf"), "hostname router\n");
  await writeFile(join(folder, "bgpd.conf"), bgpdConfig(plan));
  const router = new FrrRouter(fabric, host, folder);
  await router.restart();
  return router;
}

// --- internal ---

class FrrRouter implements Router {
  readonly name = "FRR";
  readonly #fabric: BgpFabric;
  readonly #host: FabricHost;
  readonly #folder: string;
  readonly #daemons: Daemons;

  constructor(fabric: BgpFabric, host: FabricHost, folder: string) {
    this.#fabric = fabric;
    this.#host = host;
    this.#folder = folder;
    this.#daemons = new Daemons(host, join(folder, "log"));
  }

  async restart(): Promise<void> {
    const folder = this.#folder;
    for (const name of ["zebra", "bfdd", "bgpd"]) {
      const files = [
        "-f",
        join(folder, `${name}.conf`),
        "-i",
        join(folder, `${name}.pid`),
        "-z",
        join(folder, "zserv"),
      ];
      const own = { zebra: ["-r"], bfdd: ["--bfdctl", join(folder, "bfdd.sock")], bgpd: [] }[name] ?? [];
      const common = ["--vty_socket", folder, "-P", "0", ...own];
      await this.#daemons.start(`/usr/lib/frr/${name}`, ...files, ...common);
    }
  }

  kill(): Promise<void> {
    return this.#daemons.kill();
  }

  async established(): Promise<readonly string[]> {
    const { ipv4Unicast } = (await this.#show("show bgp summary json")) as {
      ipv4Unicast?: { peers: Record<string, { state: string }> };
    };
    const peers = Object.entries(ipv4Unicast?.peers ?? {});
    return peers.flatMap(([address, { state }]) => (state === "Established" ? [address] : [])).sort();
  }

  async learned(): Promise<ReadonlyMap<string, readonly LearnedPath[]>> {
    const { routes = {} } = (await this.#show("show bgp ipv4 unicast json")) as { routes?: Record<string, unknown> };
    const networks = new Map<string, readonly LearnedPath[]>();
    for (const network of Object.keys(routes)) {
      const { paths } = (await this.#show(`show bgp ipv4 unicast ${network} json`)) as { paths: readonly FrrPath[] };
      const learned = paths.filter(({ sourced }) => sourced !== true).map(pathOf);
      if (learned.length > 0) networks.set(network, learned);
    }
    return networks;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #show(command: string): Promise<unknown> {
    return JSON.parse(await this.#fabric.run(this.#host, "vtysh", "--vty_socket", this.#folder, "-c", command));
  }
}

interface FrrPath {
  readonly sourced?: boolean;
  readonly aspath: { readonly segments: readonly { readonly list: readonly number[] }[] };
  readonly nexthops: readonly { readonly ip: string }[];
  readonly community?: { readonly list: readonly string[] };
}

function pathOf({ aspath, nexthops, community }: FrrPath): LearnedPath {
  return {
    nextHop: nexthops[0]?.ip ?? "",
    // FRR names the well-known ones.
    communities: (community?.list ?? []).map((one) => (one === "gracefulShutdown" ? "65535:0" : one)).sort(),
    asPath: aspath.segments.flatMap(({ list }) => list),
  };
}

function bgpdConfig({ routerId, as, neighbours, announces }: RouterPlan): string {
  const sessions = neighbours.flatMap(({ address, local, as: remote, password, bfd }) => [
    ` neighbor ${address} remote-as ${remote}`,
    ` neighbor ${address} update-source ${local}`,
    ` neighbor ${address} passive`,
    ` neighbor ${address} timers connect 1`,
    ...(remote === as ? [] : [` neighbor ${address} disable-connected-check`]),
    ...(password === undefined ? [] : [` neighbor ${address} password ${password}`]),
    ...(bfd ? [` neighbor ${address} bfd`, ...(remote === as ? [] : [` neighbor ${address} ebgp-multihop 255`])] : []),
  ]);
  const family = neighbours.flatMap(({ address, isClient }) => [
    `  neighbor ${address} activate`,
    `  neighbor ${address} addpath-tx-all-paths`,
    `  neighbor ${address} soft-reconfiguration inbound`,
    ...(isClient ? [`  neighbor ${address} route-reflector-client`] : []),
  ]);
  return `${[
    "log stdout",
    `router bgp ${as}`,
    ` bgp router-id ${routerId}`,
    " no bgp default ipv4-unicast",
    " no bgp ebgp-requires-policy",
    " no bgp network import-check",
    " bgp graceful-restart",
    " bgp graceful-restart preserve-fw-state",
    ...sessions,
    " address-family ipv4 unicast",
    ...announces.map((network) => `  network ${network}`),
    ...family,
    " exit-address-family",
  ].join("\n")}\n`;
}
