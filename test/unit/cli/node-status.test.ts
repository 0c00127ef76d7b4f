import { expect, test } from "vitest";
import type { BgpAnswer, BgpSession } from "../../../src/api/bgp-query.ts";
import type { NodeName } from "../../../src/api/names.ts";
import type { ObservedSession } from "../../../src/bgp/plan/observed-bgp.ts";
import { askNodeBgp } from "../../../src/cli/node-bgp.ts";
import { formatLocalStatus, formatNodeStatus } from "../../../src/cli/node-status-text.ts";
import { KubeError } from "../../../src/kube/client.ts";
import { parseIp } from "../../../src/net/ip.ts";
import { stubClient } from "../../fakes/stub-client.ts";

const seen: ObservedSession = {
  name: "Mesh_172_18_1_3",
  neighbor: parseIp("172.18.1.3"),
  state: "Established",
  since: "2026-11-21 10:28:52",
  lastError: undefined,
  ...{ keepsOurRoutes: true, neighborRestarts: false, imported: 1, exported: 2, prefixes: undefined },
};

test("on the node: sessions by family, in the columns people know", () => {
  const tor = {
    ...seen,
    name: "Global_172_18_1_1",
    neighbor: parseIp("172.18.1.1"),
    state: "Active",
    lastError: "Socket: No route to host",
  } as const;
  const status = {
    ...{ version: "2.0.12", routerId: "172.18.1.2", lastReboot: "2026-11-21 10:00:00", isRecovering: false },
    ...{ serverTime: "2026-11-21 11:00:00", lastReconfiguration: "2026-11-21 10:30:00" },
  };
  expect(
    formatLocalStatus({ ...status, sessions: [seen, tor] }),
  ).toBe(`BIRD 2.0.12, router ID 172.18.1.2, up since 2026-11-21 10:00:00

IPv4 BGP status
+--------------+-------------------+-------+---------------------+---------------------------------+
| PEER ADDRESS | PEER TYPE         | STATE | SINCE               | INFO                            |
+--------------+-------------------+-------+---------------------+---------------------------------+
| 172.18.1.3   | node-to-node mesh | up    | 2026-11-21 10:28:52 | Established                     |
| 172.18.1.1   | global            | start | 2026-11-21 10:28:52 | Active Socket: No route to host |
+--------------+-------------------+-------+---------------------+---------------------------------+

IPv6 BGP status
No IPv6 peers found.
`);
});

const at = Date.parse("2026-11-21T12:00:00Z");
const session: BgpSession = {
  ...{ name: "Mesh_172_18_1_3", kind: "mesh", neighbor: parseIp("172.18.1.3"), neighborNode: "node-2" },
  ...{ state: "Established", since: at - 3_660_000, imported: 12, exported: 3, flaps: 1 },
  ...{ keepsOurRoutes: true, neighborRestarts: false, lastError: "Received: Administrative shutdown" },
};
const answer: BgpAnswer = {
  ...{
    node: "node-1" as NodeName,
    at,
    reconfigurations: 4,
    pending: [],
    sessions: [session],
    rejected: [],
    history: [],
  },
  daemon: {
    ...{ version: "2.0.12", routerId: "172.18.1.2", isRecovering: false },
    ...{ lastReboot: at - 90_000_000, lastReconfiguration: at - 60_000 },
  },
};

test("from elsewhere: uptime, routes, errors, and below the tables what is held, in transition or not in force", () => {
  const held: BgpSession = {
    ...{ ...session, name: "Node_172_18_1_1", neighbor: parseIp("172.18.1.1"), state: "Down" },
    kind: "node",
    ...{ held: "Secret tor is missing", flaps: 0, lastError: undefined, since: undefined, neighborNode: undefined },
    ...{ imported: 0, exported: 0 },
  };
  const rejected = [{ kind: "BGPPeer", name: "tor", reason: "it has no address" }];
  const history = [
    { at: at - 1000, kind: "daemon", text: "BIRD 2.0.12 answers" },
    { at, session: session.name, neighbor: session.neighbor, kind: "error", text: "Received: Cease", leftOut: 3 },
  ] as const;
  expect(
    formatNodeStatus({
      ...answer,
      pending: ["kept until node-3 is ready"],
      sessions: [session, held],
      rejected,
      history,
    }),
  ).toBe(`Node node-1: BIRD 2.0.12, router ID 172.18.1.2, up for 1d1h; 4 reconfigurations since the agent started, the last 1m ago

IPv4 BGP status
+--------------+-------------------+-------+---------------------+-------------+-----------+--------+----+-----+-------+-----------------------------------+
| PEER ADDRESS | PEER TYPE         | STATE | SINCE               | INFO        | PEER NODE | UPTIME | IN | OUT | FLAPS | LAST ERROR                        |
+--------------+-------------------+-------+---------------------+-------------+-----------+--------+----+-----+-------+-----------------------------------+
| 172.18.1.3   | node-to-node mesh | up    | 2026-11-21 10:59:00 | Established | node-2    |   1h1m | 12 |   3 |     1 | Received: Administrative shutdown |
| 172.18.1.1   | node specific     | down  |                     | held down   |           |        |  0 |   0 |     0 |                                   |
+--------------+-------------------+-------+---------------------+-------------+-----------+--------+----+-----+-------+-----------------------------------+

IPv6 BGP status
No IPv6 peers found.

Node_172_18_1_1 is held down: Secret tor is missing
In transition: kept until node-3 is ready
BGPPeer tor is not in force: it has no address

History
2026-11-21 11:59:59 BIRD: BIRD 2.0.12 answers
2026-11-21 12:00:00 Mesh_172_18_1_3 (172.18.1.3): Received: Cease (3 entries before it were left out)
`);
});

test("a BIRD that does not answer is said instead of its figures", () => {
  const text = formatNodeStatus({ ...answer, daemon: undefined, trouble: "nothing listens there", sessions: [] });
  expect(text).toMatch(/^Node node-1: BIRD does not answer: nothing listens there\n/);
});

test("the query API's object becomes the answer", async () => {
  const { node, ...fields } = answer;
  const client = stubClient((_request, _body, { query }) => {
    expect(query).toEqual({ peer: "172.18.1.3", history: 7 });
    return { kind: "NodeBgp", metadata: { name: "node-1" }, ...JSON.parse(JSON.stringify(fields)) };
  });
  expect(await askNodeBgp(client, "node-1", { peer: session.neighbor, history: 7 })).toEqual({ node, ...fields });
  expect(client.sent).toEqual(["GET /apis/query.margay.io/v1/nodebgp/node-1"]);
});

test.each([
  [403, "Forbidden", "it is forbidden", "Ask for the right to get nodebgp"],
  [404, "NotFound", "there is no such node", "kubectl get nodes lists them"],
  [404, "NotFound", "the server could not find the requested resource", "The cluster serves no query API"],
  [503, "ServiceUnavailable", "Cannot ask the agent", "See that margay controllers and the agent of node node-9 run"],
])("no answer (%i %s: %s) is a sentence that says what to do", async (status, reason, message, remedy) => {
  const client = stubClient(() => {
    throw new KubeError("get it", status, reason, message);
  });
  await expect(askNodeBgp(client, "node-9")).rejects.toThrow(
    new RegExp(`^Cannot see the BGP of node node-9: .*${message}.* ${remedy}`),
  );
});

test("an answer in another form is said to be one", async () => {
  await expect(
    askNodeBgp(
      stubClient(() => ({ metadata: { name: "node-9" } })),
      "node-9",
    ),
  ).rejects.toThrow(/its answer cannot be read: at: .*See that the command and the node's agent are of one release/);
});
