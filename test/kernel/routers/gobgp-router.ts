import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BgpFabric, FabricHost } from "../bgp-fabric.ts";
import { Daemons } from "./daemons.ts";
import type { LearnedPath, Router, RouterNeighbour, RouterPlan } from "./router.ts";

/** GoBGP 3, which writes nothing to the kernel and knows no BFD. */
export async function startGobgp(fabric: BgpFabric, host: FabricHost, plan: RouterPlan): Promise<Router> {
  const folder = await mkdtemp(join(tmpdir(), "margay-gobgp-"));
  await writeFile(join(folder, "gobgpd.toml"), configOf(plan));
  const router = new GobgpRouter(fabric, host, { folder, plan });
  await router.restart();
  return router;
}

// --- internal ---

class GobgpRouter implements Router {
  readonly name = "GoBGP";
  readonly #fabric: BgpFabric;
  readonly #host: FabricHost;
  readonly #own: { readonly folder: string; readonly plan: RouterPlan };
  readonly #daemons: Daemons;

  constructor(fabric: BgpFabric, host: FabricHost, own: { folder: string; plan: RouterPlan }) {
    this.#fabric = fabric;
    this.#host = host;
    this.#own = own;
    this.#daemons = new Daemons(host, join(own.folder, "log"));
  }

  async restart(): Promise<void> {
    const { folder, plan } = this.#own;
    await this.#daemons.start("gobgpd", "-f", join(folder, "gobgpd.toml"), "--api-hosts", "127.0.0.1:50051", "-r");
    for (const network of plan.announces) await this.#retry("global", "rib", "add", network);
  }

  kill(): Promise<void> {
    return this.#daemons.kill();
  }

  async established(): Promise<readonly string[]> {
    const peers = JSON.parse(await this.#ask("neighbor", "-j")) as readonly GobgpPeer[];
    // 6: Established.
    return peers.flatMap(({ state }) => (state.session_state === 6 ? [state.neighbor_address] : [])).sort();
  }

  async learned(): Promise<ReadonlyMap<string, readonly LearnedPath[]>> {
    const rib = JSON.parse(await this.#ask("global", "rib", "-j")) as Record<string, readonly GobgpPath[]>;
    const all = Object.entries(rib).map(([network, paths]): [string, readonly LearnedPath[]] => [
      network,
      paths.filter((path) => path["source-id"] !== undefined && !isOwn(path)).map(pathOf),
    ]);
    return new Map(all.filter(([, paths]) => paths.length > 0));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await rm(this.#own.folder, { recursive: true, force: true });
  }

  #ask(...argv: readonly string[]): Promise<string> {
    return this.#fabric.run(this.#host, "gobgp", ...argv);
  }

  /** Its API answers a moment after it has started. */
  async #retry(...argv: readonly string[]): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#ask(...argv);
        return;
      } catch (error) {
        if (attempt === 50) throw error;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }
}

interface GobgpPeer {
  readonly state: { readonly session_state: number; readonly neighbor_address: string };
}

interface GobgpPath {
  readonly "source-id"?: string;
  readonly attrs: readonly {
    readonly type: number;
    readonly nexthop?: string;
    readonly communities?: readonly number[];
    readonly as_paths?: readonly { readonly asns: readonly number[] }[];
  }[];
}

function isOwn({ attrs }: GobgpPath): boolean {
  return attrs.some(({ type, nexthop }) => type === 3 && nexthop === "0.0.0.0");
}

function pathOf({ attrs }: GobgpPath): LearnedPath {
  const communities = attrs.flatMap((attribute) => attribute.communities ?? []);
  return {
    nextHop: attrs.find(({ nexthop }) => nexthop !== undefined)?.nexthop ?? "",
    communities: communities.map((one) => `${one >>> 16}:${one & 0xffff}`).sort(),
    asPath: attrs.flatMap((attribute) => (attribute.as_paths ?? []).flatMap(({ asns }) => asns)),
  };
}

function configOf({ routerId, as, neighbours }: RouterPlan): string {
  const global = `[global.config]\nas = ${as}\nrouter-id = "${routerId}"\nport = 179\n`;
  return [global, ...neighbours.map((neighbour) => sessionOf(neighbour, { routerId, own: as }))].join("\n");
}

/** Of nodes that share an AS it takes no route from one to another, unless it puts its own AS in that one's place. */
function sessionOf(
  { address, local, as, isClient, password }: RouterNeighbour,
  { routerId, own }: { readonly routerId: string; readonly own: number },
): string {
  return `[[neighbors]]
  [neighbors.config]
    neighbor-address = "${address}"
    peer-as = ${as}
    auth-password = "${password ?? ""}"
  [neighbors.ebgp-multihop.config]
    enabled = true
    multihop-ttl = 64
  [neighbors.transport.config]
    passive-mode = true
    local-address = "${local}"
  [neighbors.as-path-options.config]
    replace-peer-as = ${as !== own}
  [neighbors.graceful-restart.config]
    enabled = true
    restart-time = 120
  [neighbors.route-reflector.config]
    route-reflector-client = ${isClient}
    route-reflector-cluster-id = "${routerId}"
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv4-unicast"
    [neighbors.afi-safis.mp-graceful-restart.config]
      enabled = true
    [neighbors.afi-safis.add-paths.config]
      receive = true
      send-max = 8
`;
}
