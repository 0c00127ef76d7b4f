import { afterAll, beforeAll, expect, test } from "vitest";
import { BgpCluster, type ClusterChange } from "./bgp-cluster.ts";
import { UdpStreams } from "./udp-streams.ts";

/** How often it goes back and forth; the more, the longer. */
const rounds = Number(process.env["MARGAY_BGP_ROUNDS"] ?? 1);
const nodes = 4;

const mesh: ClusterChange = {};

/** Everybody but the reflectors has sessions with these alone. */
function reflectors(...names: readonly string[]): ClusterChange {
  const annotation = { "projectcalico.org/RouteReflectorClusterID": "244.0.0.1" };
  return {
    annotations: Object.fromEntries(names.map((name) => [name, annotation])),
    labels: Object.fromEntries(names.map((name) => [name, { reflector: "true" }])),
    configuration: { default: { nodeToNodeMeshEnabled: false } },
    peers: { reflectors: { nodeSelector: "all()", peerSelector: "has(reflector)" } },
  };
}

let cluster: BgpCluster;

beforeAll(async () => {
  cluster = await BgpCluster.create(nodes, mesh);
  await cluster.start();
});
afterAll(() => cluster[Symbol.asyncDispose]());

async function lossesOf(work: () => Promise<void>): Promise<readonly string[]> {
  using streams = new UdpStreams();
  await streams.start([
    cluster.flow(1, 2),
    cluster.flow(2, 3),
    cluster.flow(3, 4),
    cluster.flow(4, 1),
    cluster.flow(2, 4),
  ]);
  await work();
  const { sent, losses } = await streams.count();
  expect(sent).toBeGreaterThan(5_000);
  return losses;
}

/** The neighbours of each node, as the last number of their address. */
async function neighbours(): Promise<readonly string[]> {
  return Promise.all(
    cluster.names.map(async (name) => {
      const sessions = [...(await cluster.sessions(name)).keys()];
      return sessions
        .map((session) => session.replace(/^.*_/, ""))
        .sort()
        .join(" ");
    }),
  );
}

for (let round = 1; round <= rounds; round++) {
  test(`mesh to a reflector, to two, to others, and back to the mesh: no packet is lost (${round})`, async () => {
    const steps = [
      // The agents end while it is under way: what is kept is known to the next ones.
      { change: reflectors("node-3"), expected: ["4", "4", "2 3 5", "4"], interrupted: true },
      { change: reflectors("node-2", "node-3"), expected: ["3 4", "2 4 5", "2 3 5", "3 4"] },
      { change: reflectors("node-1"), expected: ["3 4 5", "2", "2", "2"] },
      // The reflector knows of it long before those that depend on it.
      { change: mesh, expected: ["3 4 5", "2 4 5", "2 3 5", "2 3 4"], everyMs: 2_500 },
    ];
    for (const { change, expected, everyMs, interrupted } of steps) {
      const losses = await lossesOf(async () => {
        await cluster.change(change, everyMs);
        if (interrupted) await Promise.all(cluster.names.map((name) => cluster.node(name).restartAgent()));
        await cluster.settled();
      });
      expect({ losses, neighbours: await neighbours() }).toEqual({ losses: [], neighbours: expected });
    }
  });
}
