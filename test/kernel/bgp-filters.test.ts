import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { BirdConfig, Session } from "../../src/bgp/plan/bird-config.ts";
import type { BirdFilter } from "../../src/bgp/plan/bird-filter.ts";
import { parseCidr } from "../../src/net/cidr.ts";
import { parseIp } from "../../src/net/ip.ts";
import { birdConfig, type SessionWords, testAs } from "../unit/bgp/bird-words.ts";
import { filtersOf } from "../unit/bgp/option-configs.ts";
import { renderBird } from "../unit/bgp/render-bird.ts";
import { announced, exportCases, exported, type FilterCase, importCases } from "./bgp-filter-cases.ts";
import { BirdLab, eventually, type ShownRoute } from "./bird-lab.ts";

const own = "172.18.1.2";
const own6 = "fd00:18:1::2";
const otherAs = 64513;
const feedAs = 64514;
const feed = "172.18.1.3";

/** Each case has addresses of its own at both ends: BIRD has one session with an address, whatever its own end is. */
const addressOf = (index: number) => `172.18.1.${index + 100}`;
const ownOf = (index: number) => `172.18.1.${index + 20}`;
const protocolOf = (address: string) => `Global_${address.replaceAll(/[.:]/g, "_")}`;

describe("filters do to real routes what they say", () => {
  let lab: BirdLab;

  beforeAll(async () => {
    const count = Math.max(importCases.length, exportCases.length);
    const cases = Array.from({ length: count }, (_, index) => index);
    lab = await BirdLab.create({ "node-1": [own, ...cases.map(ownOf)], peer: [feed, ...cases.map(addressOf)] });
    for (const [machine, address] of [
      ["node-1", own6],
      ["peer", "fd00:18:1::3"],
    ] as const) {
      await lab.ip(machine, "address", "add", `${address}/64`, "dev", "eth0", "nodad");
    }
    for (const name of ["cali0", "cali1"]) {
      await lab.ip("node-1", "link", "add", name, "up", "type", "veth", "peer", "name", `${name}pod`);
      await lab.ip("node-1", "link", "set", `${name}pod`, "up");
    }
    await lab.ip("node-1", "route", "add", "10.8.0.5/32", "dev", "cali0", "metric", "512");
    await lab.ip("node-1", "route", "add", "10.8.0.6/32", "dev", "cali0", "metric", "1024");
    await lab.ip("node-1", "route", "add", "10.9.0.1/32", "dev", "cali1", "metric", "1024");
  });
  afterAll(() => lab[Symbol.asyncDispose]());

  describe("import", () => {
    beforeAll(async () => {
      await lab.configure("peer", peerText(importCases, 'export where proto = "announced";', announcedText));
      await lab.configure("node-1", renderBird(casesConfig(importCases, "import")));
      await allReceived(
        "node-1",
        importCases.map((_, index) => protocolOf(addressOf(index))),
        Object.keys(announced).length,
      );
    });

    test.each(importCases.map((one, index) => [one.name, one, index] as const))("%s", async (_, one, index) => {
      const came = await lab.routes("node-1", protocolOf(addressOf(index)));
      expect(came).toEqual(expectedOf(one, arriving(one), addressOf(index)));
    });
  });

  describe("export", () => {
    beforeAll(async () => {
      const feedText = `protocol static fed { ipv4; route 10.7.0.0/16 blackhole { bgp_community.add((65000, 100)); bgp_path.prepend(65001); }; }
protocol bgp feed { local ${feed} as ${feedAs}; neighbor ${own} as ${testAs}; multihop; passive on;
  ipv4 { import none; export where proto = "fed"; }; }
`;
      await lab.configure("peer", peerText(exportCases, "export none;", feedText));
      await lab.configure("node-1", renderBird(exportConfig()));
      await lab.established("node-1");
      await eventually(async () => expect(Object.keys(await lab.routes("node-1", protocolOf(feed)))).toHaveLength(1));
      await quiet();
    });

    test.each(exportCases.map((one, index) => [one.name, one, index] as const))("%s", async (_, one, index) => {
      const came = await lab.routes("peer", `case_${index}`);
      const expected = expectedOf(one, sent(one), own);
      for (const route of Object.values(came)) expect([ownOf(index), feed]).toContain(route.nextHop);
      expect(withoutNextHops(came)).toEqual(withoutNextHops(expected));
    });
  });

  test("a workload's routes are taken only where a filter lets them in", async () => {
    const filters = [[{ cidr: "10.1.0.0/16", matchOperator: "In", action: "Accept" }], []];
    const cases = filters.map((rules) => ({ name: "", filters: [rules], external: true }));
    await lab.configure("peer", peerText(cases, 'export where proto = "announced";', announcedText));
    const config = casesConfig(cases, "import", { kind: "workload" });
    await lab.configure("node-1", renderBird(config));
    await allReceived("node-1", [protocolOf(addressOf(0)), protocolOf(addressOf(1))], Object.keys(announced).length);
    expect(Object.keys(await lab.routes("node-1", protocolOf(addressOf(0))))).toEqual(
      expect.arrayContaining(["10.1.0.0/16", "10.1.2.0/24", "10.1.2.128/25"]),
    );
    expect(Object.keys(await lab.routes("node-1", protocolOf(addressOf(0))))).toHaveLength(3);
    expect(await lab.routes("node-1", protocolOf(addressOf(1)))).toEqual({});
  });

  test("IPv6, both ways", async () => {
    const neighbor = "fd00:18:1::3";
    const rules = [
      { cidr: "fd00:a::/32", matchOperator: "In", prefixLength: { min: 64 }, action: "Reject" },
      { communities: { values: ["65000:100"] }, action: "Reject" },
    ];
    const filters = filtersOf("six", { importV6: rules, exportV6: rules });
    const text = `router id 10.0.0.9; log stderr all; protocol device {}
protocol static announced { ipv6;
  route fd00:a::/48 blackhole; route fd00:a:0:1::/64 blackhole;
  route fd00:b::/48 blackhole { bgp_community.add((65000, 100)); }; route fd00:c::/48 blackhole; }
protocol bgp case_0 { local ${neighbor} as ${testAs}; neighbor ${own6} as ${testAs}; multihop; passive on;
  ipv6 { import all; export where proto = "announced"; }; }
`;
    const words = { importFilters: ["bgp_six_importFilterV6"], exportFilters: ["bgp_six_exportFilterV6"] };
    const blocks = ["fd00:a:ff::/48", "fd00:a:ff:1::/64"].map(parseCidr);
    const config = birdConfig({
      filters,
      families: { [own6]: { blackholes: blocks, exports: { blocks }, sessions: { [neighbor]: words } } },
    });
    await lab.configure("peer", text);
    await lab.configure("node-1", renderBird(config));
    await allReceived("node-1", [protocolOf(neighbor)], 4);
    await quiet();
    expect(Object.keys(await lab.routes("node-1", protocolOf(neighbor))).sort()).toEqual([
      "fd00:a::/48",
      "fd00:c::/48",
    ]);
    expect(Object.keys(await lab.routes("peer", "case_0"))).toEqual(["fd00:a:ff::/48"]);
  });

  /** Each of these sessions has received so many routes, whatever became of them. */
  async function allReceived(machine: string, protocols: readonly string[], count: number): Promise<void> {
    await lab.established(machine);
    await eventually(async () => {
      for (const protocol of protocols)
        expect([protocol, await receivedBy(machine, protocol)]).toEqual([protocol, count]);
    });
  }

  /** Nothing more arrives at the peer. */
  async function quiet(): Promise<void> {
    const counted = async () =>
      (await lab.ask("peer", "show protocols all")).filter((line) => line.includes("updates"));
    let before = await counted();
    await eventually(async () => {
      const now = await counted();
      const was = before;
      before = now;
      expect(now).toEqual(was);
    });
  }

  async function receivedBy(machine: string, protocol: string): Promise<number> {
    const line = (await lab.ask(machine, `show protocols all ${protocol}`)).find((one) =>
      one.includes("Import updates"),
    );
    return Number(line?.trim().split(/\s+/)[2]);
  }
});

const announcedText = `protocol static announced {
  ipv4;
${Object.entries(announced)
  .map(([net, attributes]) => `  route ${net} blackhole${attributes ? ` { ${attributes} }` : ""};`)
  .join("\n")}
}
`;

function peerText(cases: readonly FilterCase[], exports: string, more: string): string {
  const sessions = cases.map(
    ({ external }, index) => `protocol bgp case_${index} {
  local ${addressOf(index)} as ${external ? otherAs : testAs};
  neighbor ${ownOf(index)} as ${testAs};
  multihop;
  passive on;
  ipv4 { import all; ${exports} };
}
`,
  );
  return ["log stderr all;\nrouter id 10.0.0.9;\nprotocol device {}\n", more, ...sessions].join("\n");
}

function casesConfig(
  cases: readonly FilterCase[],
  direction: "import" | "export",
  more: SessionWords = {},
): BirdConfig {
  const field = direction === "import" ? "importV4" : "exportV4";
  const filters: BirdFilter[] = [];
  const sessions = cases.map((one, index): [string, SessionWords] => {
    const compiled = one.filters.flatMap((rules, at) => filtersOf(`case-${index}.${at}`, { [field]: rules }));
    filters.push(...compiled);
    const names: Partial<Session> = { [`${direction}Filters`]: compiled.map(({ name }) => name) };
    return [
      addressOf(index),
      { source: parseIp(ownOf(index)), neighborAs: one.external ? otherAs : testAs, ...names, ...more },
    ];
  });
  return birdConfig({ filters, families: { [own]: { sessions: Object.fromEntries(sessions) } } });
}

function exportConfig(): BirdConfig {
  const config = casesConfig(exportCases, "export");
  const { families } = birdConfig({ families: { [own]: { sessions: { [feed]: { neighborAs: feedAs } } } } });
  return {
    ...config,
    families: config.families.map((family) => ({
      ...family,
      blackholes: [parseCidr("10.8.0.0/24")],
      exports: {
        ...family.exports,
        blocks: [parseCidr("10.8.0.0/24")],
        hosts: [parseCidr("10.9.0.1/32")],
        pools: [parseCidr("10.7.0.0/16")],
      },
      sessions: [...family.sessions, ...(families[0]?.sessions ?? [])],
    })),
  };
}

const plain: Omit<ShownRoute, "nextHop"> = {
  ...{ localPref: 100, path: "", communities: [], med: undefined, preference: 100 },
};

/** The announced routes as they are when no filter has touched them. */
function arriving({ external }: FilterCase): Readonly<Record<string, Omit<ShownRoute, "nextHop">>> {
  const paths: Readonly<Record<string, string>> = { "10.3.0.0/16": "65001 65002", "10.3.1.0/24": "65002" };
  const routes = Object.keys(announced).map((net) => {
    const path = [...(external ? [otherAs] : []), ...(paths[net] ? [paths[net]] : [])].join(" ");
    return [net, { ...plain, path }] as const;
  });
  return merged(Object.fromEntries(routes), {
    "10.2.0.0/16": { communities: ["(65000,100)"] },
    "10.2.1.0/24": { communities: ["(65000, 100, 1)"] },
    "10.4.0.0/16": external ? {} : { localPref: 2_147_483_135, preference: 200 },
    "10.5.0.0/16": { communities: ["(65535,0)"], localPref: 0 },
  });
}

/** What a neighbour has of the node when no filter has touched it. */
function sent({ external }: FilterCase): Readonly<Record<string, Omit<ShownRoute, "nextHop">>> {
  const path = external ? `${testAs}` : "";
  const normal = external ? 100 : 2_147_482_623;
  return {
    "10.7.0.0/16": {
      ...plain,
      communities: ["(65000,100)"],
      path: `${path} ${feedAs} 65001`.trim(),
      med: external ? 100 : undefined,
    },
    "10.8.0.0/24": { ...plain, path, localPref: normal },
    "10.8.0.5/32": { ...plain, path, localPref: external ? 100 : 2_147_483_135 },
    "10.9.0.1/32": { ...plain, path, localPref: normal },
  };
}

function expectedOf(
  { rejected = [], changed = {} }: FilterCase,
  routes: Readonly<Record<string, object>>,
  nextHop: string,
): Readonly<Record<string, ShownRoute>> {
  const passed = Object.entries(routes).filter(([net]) => !rejected.includes(net));
  const all = merged(Object.fromEntries(passed), changed);
  return Object.fromEntries(Object.entries(all).map(([net, route]) => [net, { ...route, nextHop } as ShownRoute]));
}

function merged<T extends object>(
  routes: Readonly<Record<string, T>>,
  more: Readonly<Record<string, object>>,
): Record<string, T> {
  const nets = new Set([...Object.keys(routes), ...Object.keys(more)]);
  return Object.fromEntries([...nets].map((net) => [net, { ...routes[net], ...more[net] } as T]));
}

function withoutNextHops(routes: Readonly<Record<string, ShownRoute>>): Readonly<Record<string, object>> {
  return Object.fromEntries(Object.entries(routes).map(([net, { nextHop: _, ...rest }]) => [net, rest]));
}

test("the cases name routes that there are", () => {
  const known: readonly string[] = [...Object.keys(announced), ...exported];
  for (const { rejected = [] } of [...importCases, ...exportCases])
    for (const net of rejected) expect(known).toContain(net);
});
