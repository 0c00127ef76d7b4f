import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { torConfig } from "../../../lab/tor.ts";
import type { BirdConfig, Session } from "../../../src/bgp/plan/bird-config.ts";
import { planBgp } from "../../../src/bgp/plan/plan-bgp.ts";
import { bfdTemplate } from "../../../src/bgp/templates/bfd.ts";
import { bgpFilterTemplate } from "../../../src/bgp/templates/bgp-filter.ts";
import { BirdPrinter } from "../../../src/bgp/templates/bird-printer.ts";
import { directTemplate } from "../../../src/bgp/templates/direct.ts";
import { exportsTemplate } from "../../../src/bgp/templates/exports.ts";
import { importsTemplate } from "../../../src/bgp/templates/imports.ts";
import { kernelTemplate } from "../../../src/bgp/templates/kernel.ts";
import { peersTemplate, sessionTemplate } from "../../../src/bgp/templates/peers.ts";
import { routerTemplate } from "../../../src/bgp/templates/router.ts";
import { staticsTemplate } from "../../../src/bgp/templates/statics.ts";
import { valuePrinters } from "../../../src/bgp/templates/value-printers.ts";
import { LinuxHost } from "../../../src/host/linux-host.ts";
import type { Cidr } from "../../../src/net/cidr.ts";
import type { Ip } from "../../../src/net/ip.ts";
import { birdConfig } from "./bird-words.ts";
import { bgpInputs, type ClusterWords, clusterSnapshot, nodeName } from "./cluster.ts";
import { filtersOf, optionConfigs } from "./option-configs.ts";
import { renderBird } from "./render-bird.ts";

const twoRacks = {
  "node-1": { ips: ["172.18.1.2"] },
  "node-2": { ips: ["172.18.1.3"] },
  "node-3": { ips: ["172.18.2.2"], as: "64600" },
};

/** Each is planned for node-1 and kept as `test/golden/bgp/<name>.conf`. */
const clusters: Readonly<Record<string, ClusterWords>> = {
  "one-node": { nodes: { "node-1": { ips: ["172.18.1.2"] } } },
  mesh: {
    nodes: twoRacks,
    pools: { "192.168.0.0/16": {}, "10.200.0.0/16": { disableBGPExport: true }, "10.201.0.0/16": { disabled: true } },
    blocks: {
      "192.168.10.64/26": "host:node-1",
      "192.168.10.0/26": "host:node-1",
      "10.201.0.0/26": "host:node-1",
      "192.168.20.0/26": "host:node-2",
    },
    attached: ["192.168.10.1", "192.168.20.5"],
  },
  peers: {
    nodes: twoRacks,
    peers: {
      tor: { peerIP: "172.18.1.1", asNumber: 64513 },
      "odd-port": { peerIP: "172.18.1.9:1790", asNumber: 64512, node: "node-1", sourceAddress: "None" },
    },
  },
  "dual-stack": {
    nodes: {
      "node-1": { ips: ["172.18.1.2", "fd00:18:1::2"] },
      "node-2": { ips: ["172.18.1.3", "fd00:18:1::3"] },
    },
    pools: { "192.168.0.0/16": {}, "fd00:192::/48": {} },
    blocks: { "192.168.10.0/26": "host:node-1", "fd00:192::/122": "host:node-1", "fd00:192::1234/128": "host:node-1" },
    peers: { tor: { peerIP: "[fd00:18:1::1]:1790", asNumber: 64513 } },
  },
  "ipv6-only": { nodes: { "node-1": { ips: ["fd00:18:1::2"] }, "node-2": { ips: ["fd00:18:1::3"] } } },
};

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "margay-bird-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** Rejects when BIRD itself does not take the text as a configuration. */
async function parseByBird(text: string): Promise<void> {
  const path = join(folder, "bird.conf");
  await writeFile(path, text);
  await new LinuxHost().run(["bird", "-p", "-c", path]);
}

describe("golden configurations", () => {
  test.each(Object.keys(clusters))("%s", async (name) => {
    const config = planned(clusters[name] as ClusterWords);
    expect(config.rejected).toEqual([]);
    const text = renderBird(config);
    await expect(text).toMatchFileSnapshot(`../../golden/bgp/${name}.conf`);
    await parseByBird(text);
  });

  test.each(Object.keys(optionConfigs))("option: %s", async (name) => {
    const text = renderBird(optionConfigs[name] as BirdConfig);
    await expect(text).toMatchFileSnapshot(`../../golden/bgp/${name}.conf`);
    await parseByBird(text);
  });

  test("the rack router's", async () => {
    const neighbours = [
      { address: "172.18.1.2", as: 64512 },
      { address: "172.18.2.2", as: 64600 },
    ];
    const text = torConfig({ routerId: "172.18.1.1", as: 64513, neighbours });
    await expect(text).toMatchFileSnapshot("../../golden/bgp/tor.conf");
    await parseByBird(text);
  });

  test("BIRD's check is a real one", async () => {
    await expect(parseByBird("router id 1.2.3.4; protocol bgp {")).rejects.toThrow("syntax error");
  });
});

describe("one configuration after the other", () => {
  test("gives the text that each has by itself, whatever was printed before", () => {
    const plain = withSession({});
    const changes: readonly BirdConfig[] = [
      ...[plain, plain, { ...plain, localAs: 64600 }, { ...plain, bindsToNodeIp: true }, { ...plain, families: [] }],
      ...[withSession({ bfd: true, source: undefined }), moved(withSession({ bfd: true, source: undefined }))],
      ...[withSession({ source: undefined }), { ...withSession({ source: undefined }), bindsToNodeIp: true }],
      ...[withSession({ password: "a" }), withSession({ password: "b" }), plain],
      ...Object.values(optionConfigs),
    ];
    const printer = new BirdPrinter();
    for (const config of [...changes, ...changes.toReversed()]) expect(printer.print(config)).toBe(renderBird(config));
  });

  test("a session whose filter has gone since is refused", () => {
    const filters = filtersOf("f", { importV4: [{ action: "Reject" }] });
    const config = { ...withSession({ importFilters: ["bgp_f_importFilterV4"] }), filters };
    const printer = new BirdPrinter();
    printer.print(config);
    expect(() => printer.print({ ...config, filters: [] })).toThrow("there is no IPv4 import filter");
  });
});

describe("values that must not get out of their place", () => {
  const evil = ['x" ; protocol static { }; #', "a b", "a;", "a\nb", "", "Mesh_{{ip}}", "1abc", "x".repeat(65)];

  test.each(evil)("a session named %j is refused", (name) => {
    expect(() => renderBird(withSession({ name }))).toThrow(`Cannot print ${JSON.stringify(name)}`);
  });

  test.each(['cali"; protocol static evil { }', "a\nb", "é"])("an interface pattern %j is refused", (pattern) => {
    expect(() => renderBird({ ...planned({ nodes: twoRacks }), ignoredInterfaces: [pattern] })).toThrow("Cannot print");
  });

  test("an AS number, a port, an address or a network that is none is refused", () => {
    expect(() => renderBird(withSession({ neighborAs: Number.NaN }))).toThrow("as a number");
    expect(() => renderBird(withSession({ neighborAs: 2 ** 32 }))).toThrow("as a number");
    expect(() => renderBird(withSession({ port: 1.5 }))).toThrow("as a number");
    expect(() => renderBird(withSession({ source: "1.2.3.4; x" as Session["source"] }))).toThrow("as an IP address");
    const [family] = planned({ nodes: twoRacks }).families;
    if (!family) throw new Error("no family");
    const families = [{ ...family, blackholes: ["10.0.0.1/8" as Cidr] }];
    expect(() => renderBird({ ...planned({ nodes: twoRacks }), families })).toThrow("as a network");
  });

  const quotes = ['say "x"', 'x"; disabled; #', "a\nb", "é", "", "x".repeat(81)];
  test.each(quotes)("a password %j is refused, and not told", (password) => {
    const render = () => renderBird(withSession({ password }));
    expect(render).toThrow(/^Cannot print a password in BIRD's configuration: it must be/);
  });

  test("the reason why a session is held stays out of the text", () => {
    expect(renderBird(withSession({ held: 'no Secret"; } protocol' }))).not.toContain("Secret");
  });

  test("a session whose filter is not there, or is of another direction or family, is refused", () => {
    const filters = filtersOf("f", { importV4: [{ action: "Reject" }], importV6: [{ action: "Reject" }] });
    const refused: readonly (readonly [Partial<Session>, string])[] = [
      [{ importFilters: ["bgp_g_importFilterV4"] }, "there is no IPv4 import filter bgp_g_importFilterV4"],
      [{ exportFilters: ["bgp_f_importFilterV4"] }, "there is no IPv4 export filter bgp_f_importFilterV4"],
      [{ importFilters: ["bgp_f_importFilterV6"] }, "there is no IPv4 import filter bgp_f_importFilterV6"],
    ];
    for (const [change, message] of refused) {
      expect(() => renderBird({ ...withSession(change), filters })).toThrow(message);
    }
  });

  test.each(["bgp_x'(); reject; #", "1x", "", "x".repeat(65), "a b", "a:b"])("a filter named %j is refused", (name) => {
    const [filter] = filtersOf("f", { importV4: [{ action: "Reject" }] });
    const filters = filter ? [{ ...filter, name }] : [];
    expect(() => renderBird({ ...planned({ nodes: twoRacks }), filters })).toThrow("as a filter's name");
  });

  test("whatever else of a filter has not the form of its place is refused", () => {
    const [filter] = filtersOf("f", { importV4: [{ action: "Accept" }] });
    const render = (change: object) => () => {
      const rules = (filter?.rules ?? []).map((rule) => ({ ...rule, ...change }));
      return renderBird(birdConfig({ families: { "10.0.0.1": {} }, filters: filter ? [{ ...filter, rules }] : [] }));
    };
    expect(render({})).not.toThrow();
    expect(render({ interface: 'x" then' })).toThrow("as a quoted text");
    expect(render({ asPathPrefix: ["1 * =] then"] })).toThrow("as a number");
    expect(render({ priority: 2_147_483_647 })).toThrow("as a priority");
    expect(render({ priority: "5; x" })).toThrow("as a priority");
    expect(render({ communities: [["1) x", 2]] })).toThrow("as a number");
    expect(render({ communities: [[1]] })).toThrow("as a community");
    expect(render({ operations: [{ kind: "addCommunity", community: [1, 2, 3, 4] }] })).toThrow("as a community");
    expect(render({ net: { cidr: "10.0.0.0/8", operator: "In", length: { min: "9}", max: 10 } } })).toThrow(
      "as a number",
    );
    expect(render({ net: { cidr: "10.0.0.0/8", operator: "constructor" } })).toThrow("as an operator");
    expect(render({ net: { cidr: "10.0.0.1/8", operator: "Equal" } })).toThrow("as a network");
  });

  const templates = {
    ...{ routerTemplate, directTemplate, bfdTemplate, kernelTemplate, staticsTemplate, importsTemplate },
    ...{ exportsTemplate, bgpFilterTemplate, peersTemplate, sessionTemplate },
  };
  test.each(Object.keys(templates) as (keyof typeof templates)[])(
    "%s prints values through checking helpers only",
    (name) => {
      const printed = (templates[name].match(/\{\{[^}]*\}\}/g) ?? []).filter(
        (tag) => !/^\{\{~?([#/]|else\}\}$)/.test(tag),
      );
      const helpers = Object.keys(valuePrinters).join("|");
      for (const tag of printed) expect(tag).toMatch(new RegExp(`^\\{\\{(${helpers}) [\\w./]+\\}\\}$`));
    },
  );
});

function planned(words: ClusterWords): BirdConfig {
  const config = planBgp(bgpInputs(clusterSnapshot(words), nodeName("node-1")));
  if (!config) throw new Error("node-1 has no plan");
  return config;
}

/** The same on a node with another address. */
function moved(config: BirdConfig): BirdConfig {
  return { ...config, families: config.families.map((family) => ({ ...family, address: "172.18.9.9" as Ip })) };
}

function withSession(change: Partial<Session>): BirdConfig {
  const config = planned({ nodes: twoRacks });
  return {
    ...config,
    families: config.families.map((family) => ({
      ...family,
      sessions: family.sessions.map((session) => ({ ...session, ...change })),
    })),
  };
}
