import { describe, expect, test } from "vitest";
import { parseCidr } from "../../src/net/cidr.ts";
import { parseIp } from "../../src/net/ip.ts";
import { birdConfig, type SessionWords, testAs } from "../unit/bgp/bird-words.ts";
import { filtersOf } from "../unit/bgp/option-configs.ts";
import { renderBird } from "../unit/bgp/render-bird.ts";
import { eventually } from "./bird-lab.ts";
import { addresses, type Machine, otherAs, to, withStar } from "./bird-star.ts";

describe.concurrent("what becomes of routes", () => {
  test(
    "the next hop: the one that came, the node itself, or kept for another AS",
    withStar(async (star) => {
      const block = parseCidr("10.7.3.0/26");
      const announcing = { family: { blackholes: [block], exports: { blocks: [block] } } };
      const passesOn = { family: { exports: { pools: [parseCidr("10.7.0.0/16")] } } };
      const nextHopAt = async (machine: Machine, expected: string) =>
        eventually(async () => expect((await star.lab.routes(machine, to("node-1")))[block]?.nextHop).toBe(expected));

      // From another AS, to one's own.
      await star.configure({
        "node-1": { ...passesOn, sessions: { "node-2": {}, "node-3": { neighborAs: otherAs } } },
        "node-2": { sessions: { "node-1": {} } },
        "node-3": { ...announcing, localAs: otherAs, sessions: { "node-1": { neighborAs: testAs } } },
      });
      await nextHopAt("node-2", addresses["node-3"]);
      await star.configure({
        "node-1": { ...passesOn, sessions: { "node-2": { nextHop: "self" }, "node-3": { neighborAs: otherAs } } },
        "node-2": { sessions: { "node-1": {} } },
        "node-3": { ...announcing, localAs: otherAs, sessions: { "node-1": { neighborAs: testAs } } },
      });
      await nextHopAt("node-2", addresses["node-1"]);

      // From one's own AS, to another.
      for (const [nextHop, expected] of [
        ["auto", addresses["node-1"]],
        ["keep", addresses["node-3"]],
      ] as const) {
        await star.configure({
          "node-1": { ...passesOn, sessions: { "node-2": { neighborAs: otherAs, nextHop }, "node-3": {} } },
          "node-2": { localAs: otherAs, sessions: { "node-1": { neighborAs: testAs } } },
          "node-3": { ...announcing, sessions: { "node-1": {} } },
        });
        await nextHopAt("node-2", expected);
      }
    }),
  );

  test(
    "a reflector gives its clients' routes to its clients, and to nobody what is none's",
    withStar(async (star) => {
      const block = parseCidr("10.7.3.0/26");
      const reflecting = (reflectorCluster: SessionWords["reflectorCluster"]) => ({
        "node-1": {
          family: { exports: { pools: [parseCidr("10.7.0.0/16")] } },
          sessions: { "node-2": { reflectorCluster }, "node-3": { reflectorCluster } },
        },
        "node-2": { sessions: { "node-1": {} } },
        "node-3": { family: { blackholes: [block], exports: { blocks: [block] } }, sessions: { "node-1": {} } },
      });
      await star.configure(reflecting(parseIp("224.0.0.1")));
      await eventually(async () => {
        const all = (await star.lab.ask("node-2", `show route all ${block}`)).join("\n");
        expect(all).toMatch(
          /BGP\.next_hop: 172\.18\.1\.4\n[\s\S]*BGP\.originator_id: 172\.18\.1\.4\n[\s\S]*BGP\.cluster_list: 224\.0\.0\.1/,
        );
      });
      await star.configure(reflecting(undefined));
      await star.expectRoutes("node-2", "node-1", {});
    }),
  );

  test(
    "our own AS in a path is taken as often as is allowed",
    withStar(async (star) => {
      const peer = `router id 10.0.0.9; log stderr all; protocol device {}
protocol static looped { ipv4; route 10.6.1.0/24 blackhole { bgp_path.prepend(${testAs}); };
  route 10.6.2.0/24 blackhole { bgp_path.prepend(${testAs}); bgp_path.prepend(${testAs}); }; }
protocol bgp node { local ${addresses["node-2"]} as ${otherAs}; neighbor ${addresses["node-1"]} as ${testAs}; multihop;
  ipv4 { import none; export where proto = "looped"; }; }
`;
      for (const [allowedLocalAs, expected] of [
        [0, []],
        [1, ["10.6.1.0/24"]],
        [2, ["10.6.1.0/24", "10.6.2.0/24"]],
      ] as const) {
        await star.configure({ "node-1": { sessions: { "node-2": { neighborAs: otherAs, allowedLocalAs } } } });
        await star.lab.configure("node-2", peer);
        await star.bothUp();
        // BIRD counts a route whose path it does not take as withdrawn.
        const came = new RegExp(
          `Import updates: +${expected.length} .*\\n +Import withdraws: +${2 - expected.length} `,
        );
        await eventually(async () => expect(await star.shown("node-1", to("node-2"))).toMatch(came));
        expect(Object.keys(await star.lab.routes("node-1", to("node-2"))).sort()).toEqual(expected);
      }
    }),
  );

  test(
    "communities go out with what is inside their networks",
    withStar(async (star) => {
      const blocks = ["10.7.1.0/26", "10.7.2.0/26"].map(parseCidr);
      const communities = [
        { cidr: parseCidr("10.7.1.0/24"), communities: [[64512, 300] as const] },
        { cidr: parseCidr("10.7.0.0/16"), communities: [[64512, 300, 400] as const] },
      ];
      await star.connect({}, {}, { "node-1": { family: { blackholes: blocks, exports: { blocks, communities } } } });
      const route = {
        localPref: 2_147_482_623,
        nextHop: addresses["node-1"],
        path: "",
        med: undefined,
        preference: 100,
      };
      await star.expectRoutes("node-2", "node-1", {
        "10.7.1.0/26": { ...route, communities: ["(64512,300)", "(64512, 300, 400)"] },
        "10.7.2.0/26": { ...route, communities: ["(64512, 300, 400)"] },
      });
    }),
  );

  test(
    "a node that drains is left for another that announces the same, and taken again afterwards",
    withStar(async (star) => {
      const services = [parseCidr("203.0.113.0/24")];
      const announcing = (isDraining: boolean) => ({
        "node-1": { family: { exports: { services, isDraining } }, sessions: { "node-2": {} } },
        "node-2": { sessions: { "node-1": {}, "node-3": {} } },
        "node-3": { family: { exports: { services } }, sessions: { "node-2": {} } },
      });
      const hops = async () => {
        const text = await star.lab.ip("node-2", "-json", "route", "show", "203.0.113.0/24");
        const [route] = JSON.parse(text) as { gateway?: string; nexthops?: { gateway: string }[] }[];
        return route?.nexthops?.map(({ gateway }) => gateway).sort() ?? [route?.gateway];
      };
      await star.configure(announcing(false));
      await eventually(async () => expect(await hops()).toEqual([addresses["node-1"], addresses["node-3"]]));
      await star.configure(announcing(true));
      await eventually(async () => expect(await hops()).toEqual([addresses["node-3"]]));
      const [drained] = Object.values(await star.lab.routes("node-2", to("node-1")));
      expect(drained).toMatchObject({ communities: ["(65535,0)"], localPref: 0 });
      await star.configure(announcing(false));
      await eventually(async () => expect(await hops()).toEqual([addresses["node-1"], addresses["node-3"]]));
      // The announcing node itself drops none of it.
      expect(await star.lab.birdRoutes("node-1")).toEqual([]);
    }),
  );

  test(
    "Services' addresses are not written to the kernel of a node that knows them as such",
    withStar(async (star) => {
      const service = parseCidr("203.0.113.7/32");
      const block = parseCidr("10.7.1.0/26");
      const serviceRanges = [parseCidr("203.0.113.0/24")];
      await star.connect(
        {},
        {},
        {
          "node-1": { family: { blackholes: [block], exports: { blocks: [block], services: [service] } } },
          "node-2": { family: { serviceRanges } },
        },
      );
      await eventually(async () => {
        expect(Object.keys(await star.lab.routes("node-2", to("node-1"))).sort()).toEqual([
          "10.7.1.0/26",
          "203.0.113.7/32",
        ]);
        expect(await star.lab.birdRoutes("node-2")).toEqual(["10.7.1.0/26 via 172.18.1.2"]);
      });
    }),
  );

  test(
    "a pod's route of raised priority leaves its block and overrides the pod where it was; a normal one does neither",
    withStar(async (star) => {
      await star.lab.makePod("pod", "node-1", "10.7.0.9");
      await star.lab.ip("node-2", "link", "add", "cali5", "up", "type", "veth", "peer", "name", "pod5");
      await star.lab.ip("node-2", "link", "set", "pod5", "up");
      await star.lab.ip("node-2", "route", "add", "10.7.1.5/32", "dev", "cali5", "metric", "1024");
      const routed = async () =>
        JSON.parse(await star.lab.ip("node-2", "-json", "route", "get", "10.7.1.5"))[0].dev as string;
      // The block is node-1's; node-3 has borrowed the address.
      const block = parseCidr("10.7.1.0/26");
      const own = { "node-1": { family: { blackholes: [block], exports: { blocks: [block] } } } };
      for (const metric of ["0", "1024"]) {
        await star.lab.ip("node-1", "route", "replace", "10.7.1.5/32", "dev", "cali0", "metric", metric);
        await star.connect({}, {}, own);
        await eventually(async () =>
          expect(Object.keys(await star.lab.routes("node-2", to("node-1")))).toEqual([block]),
        );
        await star.lab.ip("node-1", "route", "delete", "10.7.1.5/32", "dev", "cali0", "metric", metric);
      }
      await star.lab.ip("node-1", "route", "add", "10.7.1.5/32", "dev", "cali0", "metric", "512");
      await expectElevated();
      expect(await routed()).toBe("eth0");
      await star.lab.ip("node-1", "route", "delete", "10.7.1.5/32", "dev", "cali0");
      await eventually(async () => expect(await routed()).toBe("cali5"));

      const borrowing = { family: { exports: { hosts: [parseCidr("10.7.1.5/32")] } } };
      await star.lab.ip("node-3", "route", "add", "10.7.1.5/32", "dev", "eth0", "metric", "1024");
      await star.configure({
        "node-2": { sessions: { "node-3": {} } },
        "node-3": { ...borrowing, sessions: { "node-2": {} } },
      });
      await eventually(async () =>
        expect(Object.keys(await star.lab.routes("node-2", to("node-3")))).toEqual(["10.7.1.5/32"]),
      );
      expect(await routed()).toBe("cali5");

      async function expectElevated(): Promise<void> {
        await eventually(async () => {
          const route = (await star.lab.routes("node-2", to("node-1")))["10.7.1.5/32"];
          expect(route).toMatchObject({ localPref: 2_147_483_135, preference: 200 });
          expect(await star.lab.birdRoutes("node-2")).toContain("10.7.1.5 via 172.18.1.2");
        });
      }
    }),
  );

  test(
    "a pod as a neighbour: its routes come where a filter lets them, and go on to the mesh",
    withStar(async (star) => {
      await star.lab.makePod("pod", "node-1", "10.7.0.9");
      const filters = filtersOf("pods", {
        importV4: [{ cidr: "10.7.200.0/24", matchOperator: "In", action: "Accept" }],
      });
      const workload: SessionWords = {
        ...{ name: "Local_Workload_10_7_0_9", kind: "workload", neighborAs: 65001, passive: true, source: undefined },
        importFilters: ["bgp_pods_importFilterV4"],
      };
      const pools = [parseCidr("10.7.0.0/16")];
      const families = {
        [addresses["node-1"]]: { exports: { pools }, sessions: { "10.7.0.9": workload, [addresses["node-2"]]: {} } },
      };
      await star.configure({ "node-2": { sessions: { "node-1": {} } } });
      await star.lab.configure("node-1", renderBird(birdConfig({ filters, families })));
      const text = `router id 10.7.0.9; log stderr all; protocol device {} protocol kernel { learn; ipv4 { export none; }; }
protocol static own { ipv4; route 10.7.200.0/24 blackhole; route 0.0.0.0/0 blackhole; }
protocol bgp node { local 10.7.0.9 as 65001; neighbor ${addresses["node-1"]} as ${testAs}; multihop;
  ipv4 { import none; export where proto = "own"; }; }
`;
      await star.lab.configure("pod", text);
      await star.bothUp();
      await eventually(async () =>
        expect(await star.shown("node-1", "Local_Workload_10_7_0_9")).toMatch(/Import updates: +2 /),
      );
      expect(Object.keys(await star.lab.routes("node-1", "Local_Workload_10_7_0_9"))).toEqual(["10.7.200.0/24"]);
      await eventually(async () => expect(await star.lab.birdRoutes("node-1")).toEqual(["10.7.200.0/24 via 10.7.0.9"]));
      await eventually(async () =>
        expect(Object.keys(await star.lab.routes("node-2", to("node-1")))).toEqual(["10.7.200.0/24"]),
      );
    }),
  );
});
