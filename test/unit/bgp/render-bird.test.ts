import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { torConfig } from "../../../lab/tor.ts";
import type { BirdConfig, Session } from "../../../src/bgp/plan/bird-config.ts";
import { planBgp } from "../../../src/bgp/plan/plan-bgp.ts";
import { directTemplate } from "../../../src/bgp/templates/direct.ts";
import { filtersTemplate } from "../../../src/bgp/templates/filters.ts";
import { kernelTemplate } from "../../../src/bgp/templates/kernel.ts";
import { peersTemplate } from "../../../src/bgp/templates/peers.ts";
import { renderBird } from "../../../src/bgp/templates/render-bird.ts";
import { routerTemplate } from "../../../src/bgp/templates/router.ts";
import { staticsTemplate } from "../../../src/bgp/templates/statics.ts";
import { LinuxHost } from "../../../src/host/linux-host.ts";
import type { Cidr } from "../../../src/net/cidr.ts";
import { bgpInputs, type ClusterWords, clusterSnapshot, nodeName } from "./cluster.ts";

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

  test.each([routerTemplate, directTemplate, kernelTemplate, staticsTemplate, filtersTemplate, peersTemplate])(
    "template %# prints values through checking helpers only",
    (template) => {
      const printed = (template.match(/\{\{[^}]*\}\}/g) ?? []).filter((tag) => !/^\{\{[#/]/.test(tag));
      for (const tag of printed) expect(tag).toMatch(/^\{\{(ip|cidr|number|symbol|flag|quoted) [\w./]+\}\}$/);
    },
  );
});

function planned(words: ClusterWords): BirdConfig {
  const config = planBgp(bgpInputs(clusterSnapshot(words), nodeName("node-1")));
  if (!config) throw new Error("node-1 has no plan");
  return config;
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
