import type { Lab } from "../../lab/cluster.ts";
import type { NodeLayout } from "../../lab/layout.ts";
import { inNode } from "../../lab/node.ts";
import { run } from "../../lab/run.ts";

/** Where packets are counted, and which. */
export interface MeterPlace {
  readonly name: string;
  /** Runs a program in the network namespace. */
  readonly run: (argv: readonly string[], stdin?: string) => Promise<string>;
  readonly hooks: readonly MeterHook[];
  /** Destination ports, the first and the last. */
  readonly ports: readonly [number, number];
}

interface MeterHook {
  readonly hook: "prerouting" | "input" | "postrouting";
  readonly priority: number;
}

/** One kind of packet that a meter has seen. */
export interface Seen {
  readonly protocol: string;
  readonly from: string;
  readonly to: string;
  readonly port: number;
}

/** Whatever comes in there, before any rule but ours. */
export const arriving: readonly MeterHook[] = [{ hook: "prerouting", priority: -500 }];

/** Whatever leaves there or is taken in there after every rule. */
export const allowedThrough: readonly MeterHook[] = [
  { hook: "postrouting", priority: 500 },
  { hook: "input", priority: 500 },
];

/** Runs programs in a network namespace that has a name on this machine. */
export function inNetns(netns: string): MeterPlace["run"] {
  return (argv, stdin) =>
    run(["nsenter", `--net=/run/netns/${netns}`, "--", ...argv], stdin === undefined ? {} : { stdin });
}

/** Runs programs in a network namespace that has a name on this node. */
export function inNodeNetns(lab: Lab, node: NodeLayout, netns: string): MeterPlace["run"] {
  return (argv, stdin) => inNode(lab.layout, node, ["nsenter", `--net=/run/netns/${netns}`, "--", ...argv], stdin);
}

/** Counts TCP and UDP packets by what the kernel itself sees: a table of nftables, which loses none. */
export class Meter {
  readonly name: string;
  readonly #place: MeterPlace;
  readonly #table: string;

  private constructor(place: MeterPlace, table: string) {
    this.name = place.name;
    this.#place = place;
    this.#table = table;
  }

  /** Begins to count. Several of different `label`s may stand in one namespace. */
  static async start(place: MeterPlace, label = "meter"): Promise<Meter> {
    const [first, last] = place.ports;
    const watch = `meta l4proto { tcp, udp } th dport ${first}-${last}`;
    const key = "meta l4proto . ip saddr . ip daddr . th dport";
    const chains = place.hooks.map(
      ({ hook, priority }) =>
        `chain ${hook} { type filter hook ${hook} priority ${priority};\n${watch} counter name total add @seen { ${key} };\n}`,
    );
    const set = "set seen { type inet_proto . ipv4_addr . ipv4_addr . inet_service; size 65535; flags dynamic; }";
    const table = `first-instruction-${label}`;
    await place.run(["nft", "-f", "-"], `table ip ${table} { counter total {}\n${set}\n${chains.join("\n")}\n}\n`);
    return new Meter(place, table);
  }

  /** How many packets it has counted. */
  async packets(): Promise<number> {
    const text = await this.#place.run(["nft", "list", "counter", "ip", this.#table, "total"]);
    return Number(/packets (\d+)/.exec(text)?.[1]);
  }

  /** What it has counted, each kind once. */
  async seen(): Promise<readonly Seen[]> {
    const text = await this.#place.run(["nft", "-j", "list", "set", "ip", this.#table, "seen"]);
    const { nftables } = JSON.parse(text) as { nftables: readonly { readonly set?: { readonly elem?: Element[] } }[] };
    return nftables
      .flatMap(({ set }) => set?.elem ?? [])
      .map((element) => {
        const [protocol, from, to, port] = element.concat;
        return { protocol, from, to, port };
      });
  }

  /** Begins anew. */
  async reset(): Promise<void> {
    await this.#place.run(["nft", "reset", "counter", "ip", this.#table, "total"]);
    await this.#place.run(["nft", "flush", "set", "ip", this.#table, "seen"]);
  }
}

// --- internal ---

interface Element {
  readonly concat: readonly [string, string, string, number];
}
