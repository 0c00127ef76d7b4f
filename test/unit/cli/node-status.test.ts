import { expect, test } from "vitest";
import type { SessionStatus } from "../../../src/bgp/bird/session-status.ts";
import { formatNodeStatus } from "../../../src/cli/node-status.ts";
import { parseIp } from "../../../src/net/ip.ts";

const session: SessionStatus = {
  name: "Mesh_172_18_1_3",
  neighbor: parseIp("172.18.1.3"),
  state: "up",
  since: "2026-11-21 10:28:52",
  info: "Established",
};

test("sessions by family, in the columns people know", () => {
  const tor = {
    ...session,
    name: "Global_172_18_1_1",
    neighbor: parseIp("172.18.1.1"),
    state: "start",
    info: "Active",
  };
  const status = {
    version: "2.0.12",
    routerId: "172.18.1.2",
    lastReboot: "2026-11-21 10:00:00",
  };
  expect(
    formatNodeStatus({ ...status, sessions: [session, tor] }),
  ).toBe(`BIRD 2.0.12, router ID 172.18.1.2, up since 2026-11-21 10:00:00

IPv4 BGP status
+--------------+-------------------+-------+---------------------+-------------+
| PEER ADDRESS | PEER TYPE         | STATE | SINCE               | INFO        |
+--------------+-------------------+-------+---------------------+-------------+
| 172.18.1.3   | node-to-node mesh | up    | 2026-11-21 10:28:52 | Established |
| 172.18.1.1   | global            | start | 2026-11-21 10:28:52 | Active      |
+--------------+-------------------+-------+---------------------+-------------+

IPv6 BGP status
No IPv6 peers found.
`);
});
