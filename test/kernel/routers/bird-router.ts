import { writeFile } from "node:fs/promises";
import { BirdControl } from "../../../src/bgp/bird/bird-control.ts";
import type { BgpFabric, FabricHost } from "../bgp-fabric.ts";
import type { LearnedPath, Router, RouterNeighbour, RouterPlan } from "./router.ts";

/** A BIRD 2 with a configuration of its own. */
export async function startBird(fabric: BgpFabric, host: FabricHost, plan: RouterPlan): Promise<Router> {
  await writeFile(host.configPath, configOf(plan));
  const router = new BirdRouter(fabric, host);
  await router.restart();
  return router;
}

// --- internal ---

class BirdRouter implements Router {
  readonly name = "BIRD";
  readonly #fabric: BgpFabric;
  readonly #host: FabricHost;

  constructor(fabric: BgpFabric, host: FabricHost) {
    this.#fabric = fabric;
    this.#host = host;
  }

  restart(): Promise<void> {
    return this.#fabric.startBird(this.#host);
  }

  kill(): Promise<void> {
    return this.#fabric.killBird(this.#host);
  }

  async established(): Promise<readonly string[]> {
    using control = await BirdControl.connect(this.#host.socketPath);
    const { lines } = await control.command("show protocols all");
    const text = lines.map((line) => line.text).join("\n");
    const found = text.matchAll(/BGP state:\s+Established\n\s+Neighbor address: (\S+)/g);
    return [...found].map(([, address = ""]) => address).sort();
  }

  async learned(): Promise<ReadonlyMap<string, readonly LearnedPath[]>> {
    using control = await BirdControl.connect(this.#host.socketPath);
    const { lines } = await control.command("show route all where source = RTS_BGP");
    const networks = new Map<string, LearnedPath[]>();
    let network = "";
    for (const { text } of lines) {
      network = /^([0-9.]+\/\d+)\s/.exec(text)?.[1] ?? network;
      const [, attribute, value = ""] = /^\s+BGP\.(\w+): ?(.*)$/.exec(text) ?? [];
      const paths = networks.get(network) ?? [];
      // The first of a path's attributes.
      if (attribute === "origin") networks.set(network, [...paths, { nextHop: "", communities: [], asPath: [] }]);
      const last = paths.at(-1);
      if (attribute === undefined || last === undefined) continue;
      const change: Partial<LearnedPath> =
        attribute === "next_hop"
          ? { nextHop: value }
          : attribute === "as_path"
            ? { asPath: value === "" ? [] : value.split(" ").map(Number) }
            : attribute === "community"
              ? { communities: [...value.matchAll(/\((\d+),(\d+)\)/g)].map(([, a, b]) => `${a}:${b}`).sort() }
              : {};
      paths[paths.length - 1] = { ...last, ...change };
    }
    return networks;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}

function configOf({ routerId, as, neighbours, announces }: RouterPlan): string {
  const sessions = neighbours.map((neighbour, index) => sessionOf(neighbour, { as, index: index + 1 }));
  return `log stderr all;
timeformat protocol iso long;
router id ${routerId};
protocol device { }
protocol direct { ipv4; }
protocol bfd { }
protocol kernel {
  persist;
  graceful restart on;
  ipv4 { import none; export where source = RTS_BGP; };
}
protocol static own {
  ipv4;
${announces.map((network) => `  route ${network} blackhole;`).join("\n")}
}
${sessions.join("\n")}`;
}

function sessionOf(
  { address, local, as: remote, isClient, password, bfd }: RouterNeighbour,
  { as, index }: { readonly as: number; readonly index: number },
): string {
  return `protocol bgp node_${index} {
  local as ${as};
  neighbor ${address} as ${remote};
  source address ${local};
  multihop;
  passive on;
  graceful restart on;
${password === undefined ? "" : `  password "${password}";\n`}${bfd ? "  bfd on;\n" : ""}${isClient ? "  rr client;\n" : ""}  ipv4 {
    add paths on;
    import all;
    export where source ~ [ RTS_BGP, RTS_STATIC ];
  };
}
`;
}
