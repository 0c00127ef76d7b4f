import { describe, expect, test } from "vitest";
import { parseCidr } from "../../src/net/cidr.ts";
import { parseIp } from "../../src/net/ip.ts";
import { birdConfig } from "../unit/bgp/bird-words.ts";
import { renderBird } from "../unit/bgp/render-bird.ts";
import { eventually } from "./bird-lab.ts";
import { addresses, otherAs, to, withStar } from "./bird-star.ts";

describe.concurrent("what a session is asked to do, it does", () => {
  test(
    "a password that both know, and one that only one knows",
    withStar(async (star) => {
      await star.connect({ password: "it's #1; {" }, { password: "it's #1; {" });
      await star.bothUp();
      await star.connect({ password: "it's #1; {" }, { password: "it's #2; {" });
      await star.onlyTheOtherComesUp();
      await star.connect({ password: "it's #1; {" }, {});
      await star.onlyTheOtherComesUp();
    }),
  );

  test(
    "TTL security, and a neighbour that does not send as it asks",
    withStar(async (star) => {
      await star.connect({ ttlSecurityHops: 1 }, { ttlSecurityHops: 1 });
      await star.bothUp();
      await star.connect({ ttlSecurityHops: 1 }, {});
      await star.onlyTheOtherComesUp();
    }),
  );

  test(
    "a held session stays down, and the others do not",
    withStar(async (star) => {
      await star.connect({ held: "there is no password" }, {});
      await star.onlyTheOtherComesUp();
      expect(await star.shown("node-1", to("node-2"))).toMatch(/ down /);
      await star.connect({}, {});
      await star.bothUp();
    }),
  );

  test(
    "two that wait for each other never meet; one that connects is enough",
    withStar(async (star) => {
      await star.connect({ passive: true }, { passive: true });
      await star.onlyTheOtherComesUp();
      expect((await star.lab.states("node-1")).get(to("node-2"))).toBe("Passive");
      await star.connect({ passive: true }, {});
      await star.bothUp();
    }),
  );

  test(
    "another port, on the node's own address only",
    withStar(async (star) => {
      const listening = { listenPort: 1790, bindsToNodeIp: true };
      await star.connect({ passive: true }, { port: 1790 }, { "node-1": listening, "node-3": { listenPort: 179 } });
      await star.lab.established("node-2");
      const sockets = await star.lab.run("node-1", "ss", "-Htln");
      expect(sockets.match(/\S+:1790\b/g)).toEqual(["172.18.1.2:1790"]);
      expect(sockets).not.toMatch(/:179\b/);
    }),
  );

  test(
    "an AS of its own for one neighbour",
    withStar(async (star) => {
      await star.connect(
        { localAs: 64999, neighborAs: otherAs },
        { neighborAs: 64999 },
        { "node-2": { localAs: otherAs } },
      );
      await star.bothUp();
      expect(await star.shown("node-2", to("node-1"))).toMatch(/Neighbor AS: +64999/);
    }),
  );

  test(
    "how long our routes are kept, and how often we say that we live",
    withStar(async (star) => {
      await star.connect({ restartTimeS: 300, keepaliveS: 20 }, {});
      await star.bothUp();
      expect(await star.shown("node-2", to("node-1"))).toMatch(/Neighbor capabilities[\s\S]*Restart time: 300/);
      expect(await star.shown("node-1", to("node-2"))).toMatch(/Keepalive timer: +[\d.]+\/20\b/);
      await star.connect({ keepaliveS: 100 }, { keepaliveS: 110 });
      await star.bothUp();
      expect(await star.shown("node-1", to("node-2"))).toMatch(
        /Hold timer: +[\d.]+\/300\n +Keepalive timer: +[\d.]+\/100\b/,
      );
    }),
  );

  test(
    "BFD, over several hops and on the link, and a session that ends with it long before its hold time",
    withStar(async (star) => {
      await star.connect({ bfd: true }, { bfd: true });
      await star.bothUp();
      await eventually(async () =>
        expect((await star.lab.ask("node-1", "show bfd sessions")).join()).toMatch(/172\.18\.1\.3 +--- +Up/),
      );
      await star.connect({ bfd: true, ttlSecurityHops: 1 }, { bfd: true, ttlSecurityHops: 1 });
      await star.bothUp();
      await eventually(async () =>
        expect((await star.lab.ask("node-1", "show bfd sessions")).join()).toMatch(/172\.18\.1\.3 +eth0 +Up/),
      );
      await star.lab.ip("node-2", "link", "set", "eth0", "down");
      await eventually(async () => expect(await star.shown("node-1", to("node-2"))).toMatch(/BFD session down/));
      await star.lab.ip("node-2", "link", "set", "eth0", "up");
      await star.lab.ip("node-2", "route", "add", "default", "via", "172.18.1.254");
      await star.bothUp();
    }),
  );

  test(
    "a neighbour behind a gateway",
    withStar(async (star) => {
      await star.lab.ip("node-2", "address", "add", "172.18.9.1/32", "dev", "lo");
      const gateways = [{ destination: parseCidr("172.18.9.1/32"), via: parseIp(addresses["node-2"]) }];
      const far = birdConfig({ families: { [addresses["node-1"]]: { gateways, sessions: { "172.18.9.1": {} } } } });
      const near = { source: parseIp("172.18.9.1") };
      await star.configure({ "node-2": { sessions: { "node-1": near } } });
      await star.lab.configure("node-1", renderBird(far));
      await star.bothUp();
      expect(await star.lab.birdRoutes("node-1")).toEqual(["172.18.9.1 via 172.18.1.3"]);
    }),
  );
});
