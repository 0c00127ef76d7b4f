import type { DriftPart } from "../../src/felix/dataplane/dataplane.ts";
import type { IpSet, Table } from "../../src/felix/render/desired-state.ts";
import type { DriftNode } from "./drift-node.ts";

/** The node that it is done to, with what it should hold now. */
export type MutatedNode = Pick<DriftNode, "backend" | "state" | "links" | "run">;

/** Something that somebody does to what is ours, with a real program. */
export interface Mutation {
  readonly kind: string;
  readonly part: DriftPart;
  readonly program: string;
  readonly argv: readonly string[];
  /** What takes away that which is theirs, and stays after the repair. */
  readonly undo?: readonly string[];
}

/** Numbers of a sequence that a seed decides (mulberry32): from 0 up to, not including, `below`. */
export function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** Ten at once that do not touch the same thing: a chain and a hook, three sets, two routes, a link and two settings. */
export function mutationsOf(node: MutatedNode, random: (below: number) => number): readonly Mutation[] {
  const [linkTarget, ...others] = shuffled(node.links, random);
  const destinations = [...node.state.routes.values()].filter(
    ({ hostInterface }) => hostInterface !== linkTarget?.hostInterface,
  );
  const [first, second] = shuffled(destinations, random);
  if (linkTarget === undefined || first === undefined || second === undefined)
    throw new Error("Cannot change: too few pods");
  const rules = ruleMutations(node, random);
  const touched = node.backend !== "nftables" ? undefined : rules[0]?.argv.includes("ip6") ? 6 : 4;
  return [
    ...rules,
    ...setMutations(node, touched, random),
    routeMutation(first, random),
    routeMutation(second, random),
    linkMutation(linkTarget.hostInterface, random),
    ...others.slice(0, 2).map(({ hostInterface }) => settingMutation(hostInterface, random)),
  ];
}

// --- internal ---

function shuffled<T>(values: readonly T[], random: (below: number) => number): readonly T[] {
  return values
    .map((value) => ({ value, at: random(1 << 30) }))
    .sort((a, b) => a.at - b.at)
    .map(({ value }) => value);
}

function pick<T>(values: readonly T[], random: (below: number) => number): T {
  const one = values[random(values.length)];
  if (one === undefined) throw new Error("Cannot pick one of none");
  return one;
}

function ruleMutations(node: MutatedNode, random: (below: number) => number): readonly Mutation[] {
  const tables = [...node.state.tables.values()].filter(({ chains }) =>
    [...chains.values()].some((rules) => rules.length > 1),
  );
  const table = pick(tables, random);
  const chains = [...table.chains].filter(([, rules]) => rules.length > 1);
  const [name, rules] = pick(chains, random);
  if (node.backend === "nftables") return nftMutations(node, { table, name }, random);
  const program = table.version === 4 ? "iptables" : "ip6tables";
  const rule = (kind: string, ...argv: readonly string[]): Mutation => ({
    kind,
    part: "rules",
    program,
    argv: ["-w", "-t", table.name, ...argv],
  });
  const inChain = pick(
    [
      rule("flush a chain", "-F", name),
      rule("delete a rule", "-D", name, `${1 + random(rules.length)}`),
      rule("insert ACCEPT into a chain", "-I", name, "-j", "ACCEPT"),
      rule(
        "replace a rule",
        "-R",
        name,
        `${1 + random(rules.length)}`,
        "-m",
        "comment",
        "--comment",
        "cali:notarealhash",
        "-j",
        "RETURN",
      ),
      ...(node.backend === "iptables-nft" ? [nftFlush(table, name)] : []),
    ],
    random,
  );
  const hooked = pick(
    [...node.state.tables.values()].filter(({ hooks }) => hooks.size > 0),
    random,
  );
  const hook = pick([...hooked.hooks.keys()], random);
  const lines = node
    .run(hooked.version === 4 ? "iptables" : "ip6tables", "-w", "-t", hooked.name, "-S", hook)
    .split("\n");
  const ourNumber = lines.filter((line) => line.startsWith("-A ")).findIndex((line) => line.includes("cali:")) + 1;
  const other = (kind: string, ...argv: readonly string[]): Mutation => ({
    ...{ kind, part: "rules", argv: ["-w", "-t", hooked.name, ...argv] },
    program: hooked.version === 4 ? "iptables" : "ip6tables",
  });
  const accept = ["-m", "comment", "--comment", "shadow", "-j", "ACCEPT"];
  const inHook = pick(
    [
      other("delete our hook", "-D", hook, `${ourNumber}`),
      {
        ...other("insert ACCEPT before our hook", "-I", hook, ...accept),
        undo: ["-w", "-t", hooked.name, "-D", hook, ...accept],
      },
    ],
    random,
  );
  return [inChain, inHook];
}

function nftFlush({ version, name }: Table, chain: string): Mutation {
  return {
    kind: "nft flush chain",
    part: "rules",
    program: "nft",
    argv: ["flush", "chain", version === 4 ? "ip" : "ip6", name, chain],
  };
}

function nftMutations(
  { run }: MutatedNode,
  { table, name }: { readonly table: Table; readonly name: string },
  random: (below: number) => number,
): readonly Mutation[] {
  const family = table.version === 4 ? "ip" : "ip6";
  const chain = `${table.name}-${name}`;
  const nft = (kind: string, ...argv: readonly string[]): Mutation => ({ kind, part: "rules", program: "nft", argv });
  const handles = [...run("nft", "-a", "list", "chain", family, "calico", chain).matchAll(/# handle (\d+)$/gm)].map(
    (match) => match[1] ?? "",
  );
  // The first is the chain's own.
  const handle = pick(handles.slice(1), random);
  const base = [...run("nft", "list", "table", family, "calico").matchAll(/chain (\S+) \{\s+type/g)].map(
    (match) => match[1] ?? "",
  );
  return [
    pick(
      [
        nft("nft flush chain", "flush", "chain", family, "calico", chain),
        nft("nft delete rule", "delete", "rule", family, "calico", chain, "handle", handle),
        nft("nft insert accept", "insert", "rule", family, "calico", chain, "accept"),
      ],
      random,
    ),
    pick(
      [
        nft("nft flush base chain", "flush", "chain", family, "calico", pick(base, random)),
        nft("nft insert accept into base chain", "insert", "rule", family, "calico", pick(base, random), "accept"),
        nft("nft delete table", "delete", "table", family === "ip" ? "ip6" : "ip", "calico"),
      ],
      random,
    ),
  ];
}

function setMutations(
  node: MutatedNode,
  version: 4 | 6 | undefined,
  random: (below: number) => number,
): readonly Mutation[] {
  // Natively the other family's table may be gone.
  const full = [...node.state.sets.values()].filter(
    (set) => set.members.size > 0 && set.type === "hash:net" && (version === undefined || set.version === version),
  );
  if (full.length < 3) throw new Error("Cannot change sets: too few");
  const family = (version: 4 | 6) => (version === 4 ? "ip" : "ip6");
  const strange = (version: 4 | 6) => (version === 4 ? "203.0.113.77" : "2001:db8:ffff::77");
  const of = ({ name, version, members }: IpSet): readonly Mutation[] => {
    const member = pick([...members], random);
    const nft = (kind: string, ...argv: readonly string[]): Mutation => ({ kind, part: "sets", program: "nft", argv });
    const ipset = (kind: string, ...argv: readonly string[]): Mutation => ({
      kind,
      part: "sets",
      program: "ipset",
      argv,
    });
    const nftName = name.replaceAll(":", "-");
    return node.backend === "nftables"
      ? [
          nft("nft flush set", "flush", "set", family(version), "calico", nftName),
          nft("nft add element", "add", "element", family(version), "calico", nftName, `{ ${strange(version)} }`),
        ]
      : [
          ipset("ipset flush", "flush", name),
          ipset("ipset del", "del", name, member),
          ipset("ipset add", "add", name, strange(version)),
        ];
  };
  return shuffled(full, random)
    .slice(0, 3)
    .map((set) => pick(of(set), random));
}

function routeMutation({ destination }: { readonly destination: string }, random: (below: number) => number): Mutation {
  const family = destination.includes(":") ? "-6" : "-4";
  const route = (kind: string, ...argv: readonly string[]): Mutation => ({
    kind,
    part: "routes",
    program: "ip",
    argv: [family, "route", ...argv],
  });
  return pick(
    [
      route("ip route del", "del", destination),
      ...(family === "-4" ? [route("ip route replace", "replace", destination, "dev", "peer0")] : []),
    ],
    random,
  );
}

function linkMutation(name: string, random: (below: number) => number): Mutation {
  const link = (kind: string, ...argv: readonly string[]): Mutation => ({
    kind,
    part: "links",
    program: "ip",
    argv: ["link", "set", name, ...argv],
  });
  return pick(
    [link("ip link down", "down"), link("ip link mtu", "mtu", "1280"), link("ip link name", "name", "stolen0")],
    random,
  );
}

function settingMutation(name: string, random: (below: number) => number): Mutation {
  const keys = [
    `ipv4.conf.${name}.proxy_arp=0`,
    `ipv4.conf.${name}.forwarding=0`,
    `ipv4.conf.${name}.rp_filter=2`,
    `ipv6.conf.${name}.accept_ra=1`,
    "ipv4.ip_forward=0",
  ];
  return { kind: "sysctl -w", part: "settings", program: "sysctl", argv: ["-w", `net.${pick(keys, random)}`] };
}
