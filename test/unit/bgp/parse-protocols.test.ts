import { describe, expect, test } from "vitest";
import { parseProtocols } from "../../../src/bgp/bird/parse-protocols.ts";
import { parseRoutes } from "../../../src/bgp/bird/parse-routes.ts";
import { msSince, parseStatus } from "../../../src/bgp/bird/parse-status.ts";
import { type BirdReply, ReplyReader } from "../../../src/bgp/bird/reply-reader.ts";

/** As BIRD 2.0.12 sends it. */
const protocols = `2002-Name       Proto      Table      State  Since         Info
1002-device1    Device     ---        up     2026-11-21 10:28:48  
1006-
1002-static1    Static     master4    up     2026-11-21 10:28:48  
1006-  Channel ipv4
     Routes:         1 imported, 0 exported, 1 preferred
 
1002-Mesh_10_77_0_2 BGP        ---        up     2026-11-21 10:28:52  Established   
1006-  BGP state:          Established
     Neighbor address: 10.77.0.2
     Neighbor AS:      64512
     Local AS:         64513
     Local capabilities
       Route refresh
     Neighbor capabilities
       Multiprotocol
         AF announced: ipv4
       Graceful restart
         Restart time: 120
     Hold timer:       185.521/240
   Channel ipv4
     State:          UP
     Routes:         3 imported, 2 exported, 1 preferred
   Channel ipv6
     Routes:         1 imported, 5 filtered, 7 exported, 1 preferred
       Import updates:              1          0          0          0          1
 
1002-Global_10_77_0_9 BGP        ---        start  2026-11-21 10:28:48  Active        Socket: No route to host
1006-  BGP state:          Active
     Neighbor address: 10.77.0.9
     Neighbor AS:      5
     Local AS:         64512
     Local capabilities
       Graceful restart
     Neighbor capabilities
       Route refresh
     Neighbor graceful restart active
     Last error:       Socket: No route to host
   Channel ipv4
     State:          DOWN
 
1002-Mesh_fd00__2 BGP        ---        down   2026-11-21 10:29:04.123  
1006-  BGP state:          Down
     Neighbor address: fd00::2
     Neighbor AS:      64512
   Channel ipv6
     Routes:         1 imported, 7 filtered, 4 exported, 1 preferred
 
0000 
`;

function replyOf(text: string): BirdReply {
  const [reply] = new ReplyReader().read(text);
  if (!reply) throw new Error("the answer is not whole");
  return reply;
}

describe("show protocols all", () => {
  test("gives the BGP sessions", () => {
    const nothing = { lastError: undefined, neighborRestarts: false, prefixes: undefined };
    expect(parseProtocols(replyOf(protocols))).toEqual([
      {
        ...{ ...nothing, name: "Mesh_10_77_0_2", neighbor: "10.77.0.2", state: "Established" },
        ...{ since: "2026-11-21 10:28:52", keepsOurRoutes: true, imported: 4, exported: 9 },
      },
      {
        ...{ ...nothing, name: "Global_10_77_0_9", neighbor: "10.77.0.9", state: "Active", neighborRestarts: true },
        ...{ since: "2026-11-21 10:28:48", lastError: "Socket: No route to host" },
        ...{ keepsOurRoutes: false, imported: 0, exported: 0 },
      },
      {
        ...{ ...nothing, name: "Mesh_fd00__2", neighbor: "fd00::2", state: "Down", since: "2026-11-21 10:29:04" },
        ...{ keepsOurRoutes: false, imported: 1, exported: 4 },
      },
    ]);
  });

  test("a neighbour that waits for us to connect is active, and one that still closes is idle", () => {
    const states = ["Passive", "Close"].map((word) => protocols.replace("Established\n", `${word}\n`));
    expect(states.map((text) => parseProtocols(replyOf(text))[0]?.state)).toEqual(["Active", "Idle"]);
    const unknown = protocols.replace("BGP state:          Down", "BGP state:          Sleeping");
    expect(() => parseProtocols(replyOf(unknown))).toThrow("Cannot read the state of BIRD's protocol Mesh_fd00__2");
  });

  test("what we can do says nothing of the neighbour, in whichever order they stand", () => {
    const row = "1002-Mesh_1 BGP --- up 2026-11-21 10:28:52 Established\n1006-  BGP state: Established\n";
    const ours = "     Local capabilities\n       Graceful restart\n";
    const theirs = "     Neighbor capabilities\n       Route refresh\n";
    for (const blocks of [ours + theirs, theirs + ours]) {
      const [session] = parseProtocols(replyOf(`${row}     Neighbor address: 10.77.0.2\n${blocks}0000 \n`));
      expect(session?.keepsOurRoutes).toBe(false);
    }
  });

  test("a session without a neighbour's address is an error that names it", () => {
    const other = protocols.replace("Neighbor address: fd00::2", "Neighbor range: fd00::/64");
    expect(() => parseProtocols(replyOf(other))).toThrow("Cannot read the neighbour of BIRD's protocol Mesh_fd00__2");
  });

  test("a row in another form is an error that quotes it", () => {
    const other = "1002-Mesh_1 BGP --- up 10:28:52.123 Established\n0000 \n";
    expect(() => parseProtocols(replyOf(other))).toThrow('Cannot read "Mesh_1 BGP --- up 10:28:52.123 Established"');
  });
});

test("show status", () => {
  const text = `1000-BIRD 2.0.12
1011-Router ID is 10.77.0.1
 Hostname is vm
 Current server time is 2026-11-21 10:28:57
 Last reboot on 2026-11-21 10:28:48
 Last reconfiguration on 2026-11-21 10:28:49
0013 Daemon is up and running
`;
  const status = parseStatus(replyOf(text));
  expect(status).toEqual({
    ...{ version: "2.0.12", routerId: "10.77.0.1", serverTime: "2026-11-21 10:28:57", isRecovering: false },
    ...{ lastReboot: "2026-11-21 10:28:48", lastReconfiguration: "2026-11-21 10:28:49" },
  });
  expect(msSince(status, status.lastReboot)).toBe(9_000);
  expect(msSince(status, "10:28")).toBeUndefined();
  const recovering = text.replace(
    "0013 ",
    "0024-Graceful restart recovery in progress\n   Wait timer is 9.5/20\n0013 ",
  );
  expect(parseStatus(replyOf(recovering)).isRecovering).toBe(true);
  expect(() => parseStatus(replyOf("0013 up\n"))).toThrow("does not tell its version");
});

describe("show route", () => {
  const routes = `1007-Table master4:
 10.50.0.0/24         unicast [kernel_v4 2026-11-22 08:58:49] * (10)
 \tvia 10.9.0.2 on va
1008-\tType: inherit univ
1012-\tKernel.source: 3
1007-192.168.2.0/26       unicast [Mesh_10_9_0_2 2026-11-22 08:58:43 from 10.9.0.2] * (100/0) [i]
 \tvia 10.9.0.2 on va weight 1
 \tvia fe80::1 on vb weight 1
                      unreachable [Mesh_10_9_0_3 2026-11-22 08:58:43 from 10.9.0.3] (100) [i]
 
1007-Table master6:
 fd00::/64            unicast [direct1 2026-11-22 08:58:41] ! (240)
 \tdev va
 fd01::/64            blackhole [static_v6 2026-11-22 08:58:41] * (200)
0000 
`;

  test("gives every route, with its ways and whether BIRD prefers it", () => {
    expect(parseRoutes(replyOf(routes))).toEqual([
      {
        ...{ destination: "10.50.0.0/24", type: "unicast", protocol: "kernel_v4", isBest: true },
        hops: [{ via: "10.9.0.2", interface: "va" }],
      },
      {
        ...{ destination: "192.168.2.0/26", type: "unicast", protocol: "Mesh_10_9_0_2", isBest: true },
        hops: [
          { via: "10.9.0.2", interface: "va" },
          { via: "fe80::1", interface: "vb" },
        ],
      },
      { destination: "192.168.2.0/26", type: "unreachable", protocol: "Mesh_10_9_0_3", isBest: false, hops: [] },
      {
        ...{ destination: "fd00::/64", type: "unicast", protocol: "direct1", isBest: true },
        hops: [{ via: undefined, interface: "va" }],
      },
      { destination: "fd01::/64", type: "blackhole", protocol: "static_v6", isBest: true, hops: [] },
    ]);
  });

  test.each([
    ["::1.2.3.4/128", "::102:304/128"],
    ["::ffff:10.0.0.0/104", "::ffff:a00:0/104"],
    ["0:1::/32", "0:1::/32"],
  ])("%s, as BIRD writes it, is %s", (text, destination) => {
    const [route] = parseRoutes(replyOf(`1007-${text}     unicast [Node_1 2026-11-22 08:58:43] * (100)\n0000 \n`));
    expect(route?.destination).toBe(destination);
  });

  test("a line in another form is an error that quotes it", () => {
    expect(() => parseRoutes(replyOf("1007-10.0.0.0/8 by magic\n0000 \n"))).toThrow(
      'Cannot read "10.0.0.0/8 by magic"',
    );
  });
});

describe("the reply reader", () => {
  test("gives the same answers however the stream is cut", () => {
    const stream = `0001 BIRD 2.0.12 ready.\n${protocols}0002-Reading configuration\n0003 Reconfigured\n`;
    const whole = new ReplyReader().read(stream);
    expect(whole.map((reply) => reply.code)).toEqual([1, 0, 3]);
    for (const size of [1, 2, 7, 64, 1000]) {
      const reader = new ReplyReader();
      const chunks = Array.from({ length: Math.ceil(stream.length / size) }, (_, i) =>
        stream.slice(i * size, (i + 1) * size),
      );
      expect(chunks.flatMap((chunk) => reader.read(chunk))).toEqual(whole);
    }
  });

  test("a log line in between belongs to no answer, and is told", () => {
    const logged: string[] = [];
    const [reply] = new ReplyReader((line) => logged.push(line)).read("0003-a\n+log line\n0003 b\n");
    expect(reply?.lines.map((line) => line.text)).toEqual(["a", "b"]);
    expect(logged).toEqual(["log line"]);
  });

  test("what is not BIRD's protocol is an error", () => {
    expect(() => new ReplyReader().read("HTTP/1.1 400 Bad Request\n")).toThrow(
      'Cannot read "HTTP/1.1 400 Bad Request"',
    );
  });
});
