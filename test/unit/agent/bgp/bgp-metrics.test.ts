import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { collectBgpState } from "../../../../src/agent/bgp/bgp-metrics.ts";
import type { BgpState } from "../../../../src/agent/bgp/bgp-state.ts";
import { clusterSnapshot } from "../../bgp/cluster.ts";
import { configured, look, noBird, session } from "./observed.ts";

const up = session("10.0.0.2", { imported: 7, exported: 3 });
const down = session("10.0.0.3", { state: "Connect", imported: 0, exported: 0 });

const state: BgpState = {
  observed: look([up, down]),
  tracks: {
    reconfigurations: 4,
    of: (name) =>
      name === down.name
        ? { seen: down, flaps: 2, lastError: "Received: Bad peer AS: 5", lastErrorAt: 1 }
        : { seen: up, flaps: 0, lastError: undefined, lastErrorAt: undefined },
  },
  configured: configured(
    [up, down].map(({ name, neighbor }) => ({ name, neighbor })),
    [{ kind: "BGPPeer", name: "tor", reason: "it has no address" }],
  ),
  nodes: clusterSnapshot({ nodes: { "node-2": { ips: ["10.0.0.2"] } } }).node,
};

async function printed(read: () => BgpState): Promise<readonly string[]> {
  const registry = new Registry();
  collectBgpState(registry, read);
  await registry.metrics();
  // Asked again, as counters must not count twice.
  return (await registry.metrics()).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
}

test("each session by its peer and type, the daemon, and what is not in force", async () => {
  expect(await printed(() => state)).toEqual([
    'margay_bgp_session_state{peer="10.0.0.2",type="mesh"} 6',
    'margay_bgp_session_state{peer="10.0.0.3",type="mesh"} 2',
    // Two hours before the look by BIRD's own clock, whatever its zone.
    'margay_bgp_session_established_timestamp_seconds{peer="10.0.0.2",type="mesh"} 1795258800',
    'margay_bgp_session_imported_routes{peer="10.0.0.2",type="mesh"} 7',
    'margay_bgp_session_imported_routes{peer="10.0.0.3",type="mesh"} 0',
    'margay_bgp_session_exported_routes{peer="10.0.0.2",type="mesh"} 3',
    'margay_bgp_session_exported_routes{peer="10.0.0.3",type="mesh"} 0',
    'margay_bgp_session_last_error{peer="10.0.0.3",type="mesh",kind="received"} 1',
    'margay_bgp_session_flaps_total{peer="10.0.0.2",type="mesh"} 0',
    'margay_bgp_session_flaps_total{peer="10.0.0.3",type="mesh"} 2',
    "margay_bgp_reconfigurations_total 4",
    "margay_bgp_daemon_up 1",
    "margay_bgp_rejected_objects 1",
  ]);
});

test("without BIRD its sessions are down; without a configuration there are none", async () => {
  const lines = await printed(() => ({ ...state, observed: noBird }));
  expect(lines).toContain('margay_bgp_session_state{peer="10.0.0.2",type="mesh"} 0');
  expect(lines).toContain("margay_bgp_daemon_up 0");
  const bare = await printed(() => ({ ...state, observed: noBird, configured: undefined }));
  expect(bare.filter((line) => line.includes("session_state"))).toEqual([]);
});
