import { writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { expect, test, vi } from "vitest";
import type { NodeName } from "../../src/api/names.ts";
import { readBirdStatus } from "../../src/bgp/bird/read-bird-status.ts";
import type { BirdConfig, Session } from "../../src/bgp/plan/bird-config.ts";
import { type SimulatedNetwork, simulate } from "../../src/bgp/simulate/simulate.ts";
import {
  addressOf,
  configsOf,
  nameOf,
  outsideOf,
  type Topology,
  topologyChanges,
} from "../scenario/bgp/random-topologies.ts";
import { renderBird } from "../unit/bgp/render-bird.ts";
import { BgpFabric, type FabricHost } from "./bgp-fabric.ts";

/** How many topologies are laid out in namespaces, and which. */
const count = Number(process.env["MARGAY_TOPOLOGIES"] ?? 6);
const seed = Number(process.env["MARGAY_SEED"] ?? 8);

const link = { rack: "rack1", gateway: "172.18.1.1" };

/** How long everybody must be as predicted for it to count. */
const settledMs = 3_000;

// Each has machines of its own, and mostly waits.
test.concurrent.each(sample().map((topology, index) => ({ index, topology })))(
  "random topology $index: sessions and unreachable pairs are as predicted, by BIRDs and by routes in kernels",
  async ({ topology }) => {
    const configs = configsOf(topology);
    const predicted = simulate(configs, outsideOf(topology));
    const expected = { sessions: sessionsOf(configs, predicted), unreached: unreachedOf(predicted) };
    await using machines = await Machines.create();
    await machines.layOut(configs, topology);
    const measured = async () => ({
      sessions: await machines.established(configs),
      unreached: unreachedBy(configs, await machines.routes()),
    });
    await vi.waitFor(async () => expect(await measured()).toEqual(expected), { timeout: 45_000, interval: 500 });
    await sleep(settledMs);
    expect(await measured()).toEqual(expected);
  },
  90_000,
);

// --- internal ---

type Configs = ReadonlyMap<NodeName, BirdConfig>;

/** Topologies in which something is out of reach, and in which nothing is, by turns; of each only what was followed whole. */
function sample(): readonly Topology[] {
  const all = fc.sample(topologyChanges, { numRuns: 20 * count, seed }).map(([, after]) => after);
  const foretold = all.map((topology) => ({ topology, ...simulate(configsOf(topology), outsideOf(topology)) }));
  const sure = foretold.filter(
    ({ doubtful, established, blocks }) => doubtful.length === 0 && established > 1 && blocks.length > 1,
  );
  const isWhole = ({ blocks }: SimulatedNetwork) => blocks.every(({ unreachedFrom }) => unreachedFrom.length === 0);
  const split = sure.filter((one) => !isWhole(one)).slice(0, Math.ceil((2 * count) / 3));
  return [...split, ...sure.filter(isWhole)].slice(0, count).map(({ topology }) => topology);
}

/** By destination: the gateways, or "here" for a block of the node's own. */
type RouteTable = ReadonlyMap<string, readonly string[]>;

/** Six nodes and the routers outside, on one network, each with a BIRD. */
class Machines implements AsyncDisposable {
  readonly #fabric: BgpFabric;
  /** By address. */
  readonly #hosts: ReadonlyMap<string, FabricHost>;

  static async create(): Promise<Machines> {
    const fabric = await BgpFabric.create();
    const router = await fabric.addRouter({ rack1: "172.18.1.1/24" });
    const hosts = new Map([["172.18.1.1", router]]);
    const machines = [
      ...["172.18.1.201", "172.18.1.202"].map((address, index) => ({ name: `tor-${index}`, address })),
      ...Array.from({ length: 6 }, (_, index) => ({ name: nameOf(index), address: addressOf(index) })),
    ];
    for (const { name, address } of machines) {
      hosts.set(address, await fabric.addNode(name, router, { ...link, address: `${address}/24` }));
    }
    return new Machines(fabric, hosts);
  }

  private constructor(fabric: BgpFabric, hosts: ReadonlyMap<string, FabricHost>) {
    this.#fabric = fabric;
    this.#hosts = hosts;
  }

  /** Starts a BIRD on each machine that the topology has. */
  async layOut(configs: Configs, topology: Topology): Promise<void> {
    for (const config of configs.values()) await this.#start(config.families[0]?.address ?? "", renderBird(config));
    for (const { addresses, role } of outsideOf(topology)) {
      const [address = ""] = addresses;
      if (role === "passes on") await this.#start(address, routerText(address, configs));
    }
  }

  /** `NODE SESSION` of each that is up. */
  async established(configs: Configs): Promise<readonly string[]> {
    const found: string[] = [];
    for (const [node, { families }] of configs) {
      const { socketPath } = this.#host(families[0]?.address ?? "");
      const { sessions } = await readBirdStatus(socketPath);
      const up = sessions.filter(({ state }) => state === "Established");
      found.push(...up.map(({ name }) => `${node} ${name}`));
    }
    return found.sort();
  }

  /** What BIRD has written to each machine's kernel, by the machine's address. */
  async routes(): Promise<ReadonlyMap<string, RouteTable>> {
    const tables = new Map<string, RouteTable>();
    for (const [address, host] of this.#hosts) {
      const text = await this.#fabric.ip(host, "-json", "route", "show", "proto", "bird");
      tables.set(address, tableOf(JSON.parse(text)));
    }
    return tables;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#fabric[Symbol.asyncDispose]();
  }

  async #start(address: string, text: string): Promise<void> {
    const host = this.#host(address);
    await writeFile(host.configPath, text);
    await this.#fabric.startBird(host, "afresh");
  }

  #host(address: string): FabricHost {
    const host = this.#hosts.get(address);
    if (host === undefined) throw new Error(`there is no machine at ${address}`);
    return host;
  }
}

/** What an outside router is assumed to do, as BIRD is told it. */
function routerText(address: string, configs: Configs): string {
  const sessions = [...configs.values()].flatMap((config) =>
    config.families.flatMap((family) =>
      family.sessions
        .filter(({ neighbor, held }) => neighbor === address && held === undefined)
        .map((session) =>
          routerSession(address, session, { as: session.localAs ?? config.localAs, at: family.address }),
        ),
    ),
  );
  const kernel = "protocol kernel { merge paths on; ipv4 { import none; export where source = RTS_BGP; }; }";
  return [
    "log stderr all;",
    `router id ${address};`,
    "protocol device {}",
    "protocol direct { ipv4; }",
    kernel,
    ...sessions,
  ].join("\n");
}

function routerSession(address: string, session: Session, node: { readonly as: number; readonly at: string }): string {
  const { neighborAs, password, ttlSecurityHops: hops } = session;
  return `protocol bgp {
  local ${address} as ${neighborAs};
  neighbor ${node.at} as ${node.as};
  passive on;
  ${hops === undefined ? "multihop" : `multihop ${hops}; ttl security on`};
  ${password === undefined ? "" : `password "${password}";`}
  ${neighborAs === node.as ? `rr client; rr cluster id ${address};` : ""}
  ipv4 { gateway recursive; import all; export where source = RTS_BGP; };
}`;
}

/** `NODE NEIGHBOUR` of every session that is to come up, both ends of those between nodes. */
function sessionsOf(configs: Configs, { down }: SimulatedNetwork): readonly string[] {
  const isDown = new Set(down.map(({ node, name }) => `${node} ${name}`));
  const all = [...configs].flatMap(([node, { families }]) =>
    families.flatMap(({ sessions }) => sessions.map(({ name }) => `${node} ${name}`)),
  );
  return all.filter((one) => !isDown.has(one)).sort();
}

function unreachedOf({ blocks }: SimulatedNetwork): readonly string[] {
  return blocks.flatMap(({ network, unreachedFrom }) => unreachedFrom.map((from) => `${from} > ${network}`)).sort();
}

/** Follows each kernel's routes from node to node, by every gateway that a route has. */
function unreachedBy(configs: Configs, tables: ReadonlyMap<string, RouteTable>): readonly string[] {
  const arrives = (at: string, block: string, owner: string, ttl: number): boolean => {
    const hops = tables.get(at)?.get(block) ?? [];
    if (hops.includes("here")) return at === owner;
    return ttl > 0 && hops.length > 0 && hops.every((hop) => arrives(hop, block, owner, ttl - 1));
  };
  const families = [...configs].flatMap(([node, config]) => config.families.map((family) => ({ node, family })));
  return families
    .flatMap(({ family }) => family.exports.blocks.map((block) => ({ block, owner: family.address })))
    .flatMap(({ block, owner }) =>
      families
        .filter(({ family }) => !arrives(family.address, block, owner, 16))
        .map(({ node }) => `${node} > ${block}`),
    )
    .sort();
}

interface KernelRoute {
  readonly dst: string;
  readonly type?: string;
  readonly gateway?: string;
  readonly nexthops?: readonly { readonly gateway?: string }[];
}

function tableOf(routes: readonly KernelRoute[]): RouteTable {
  return new Map(
    routes.map(({ dst, type, gateway, nexthops }) => {
      if (type === "blackhole") return [dst, ["here"]];
      return [dst, [gateway, ...(nexthops ?? []).map((one) => one.gateway)].filter((one) => one !== undefined)];
    }),
  );
}
