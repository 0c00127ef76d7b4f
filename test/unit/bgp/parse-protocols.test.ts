import { describe, expect, test } from "vitest";
import { parseProtocols } from "../../../src/bgp/bird/parse-protocols.ts";
import { parseStatus } from "../../../src/bgp/bird/parse-status.ts";
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
     Hold timer:       185.521/240
   Channel ipv4
     State:          UP
     Routes:         3 imported, 2 exported, 1 preferred
       Import updates:              1          0          0          0          1
 
1002-Global_10_77_0_9 BGP        ---        start  2026-11-21 10:28:48  Active        Socket: No route to host
1006-  BGP state:          Active
     Neighbor address: 10.77.0.9
     Neighbor AS:      5
     Local AS:         64512
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
    expect(parseProtocols(replyOf(protocols))).toEqual([
      {
        name: "Mesh_10_77_0_2",
        neighbor: "10.77.0.2",
        state: "up",
        since: "2026-11-21 10:28:52",
        info: "Established",
      },
      {
        name: "Global_10_77_0_9",
        neighbor: "10.77.0.9",
        state: "start",
        since: "2026-11-21 10:28:48",
        info: "Active Socket: No route to host",
      },
      {
        name: "Mesh_fd00__2",
        neighbor: "fd00::2",
        state: "down",
        since: "2026-11-21 10:29:04",
        info: "",
      },
    ]);
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
  expect(parseStatus(replyOf(text))).toEqual({
    version: "2.0.12",
    routerId: "10.77.0.1",
    lastReboot: "2026-11-21 10:28:48",
  });
  expect(() => parseStatus(replyOf("0013 up\n"))).toThrow("does not tell its version");
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

  test("a log line in between belongs to no answer", () => {
    expect(new ReplyReader().read("0003-a\n+log line\n0003 b\n")[0]?.lines.map((line) => line.text)).toEqual([
      "a",
      "b",
    ]);
  });

  test("what is not BIRD's protocol is an error", () => {
    expect(() => new ReplyReader().read("HTTP/1.1 400 Bad Request\n")).toThrow(
      'Cannot read "HTTP/1.1 400 Bad Request"',
    );
  });
});
