import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { expect, test } from "vitest";
import { Bgp } from "../../src/agent/bgp/bgp.ts";
import { RunningConfig } from "../../src/agent/bgp/running-config.ts";
import { BirdDaemon } from "../../src/bgp/bird/bird-daemon.ts";
import { systemClock } from "../../src/host/clock.ts";
import { LinuxHost } from "../../src/host/linux-host.ts";
import { clusterSnapshot, nodeName } from "../unit/bgp/cluster.ts";
import { makeNamespace } from "./netlink-namespaces.ts";

test("the configuration is in place before BIRD runs, and BIRD takes it over when it comes", async () => {
  using namespace = makeNamespace();
  const folder = mkdtempSync(join(tmpdir(), "margay-agent-bgp-"));
  const [socketPath, configPath] = [join(folder, "bird.ctl"), join(folder, "bird.conf")];
  const logged: string[] = [];
  const host = new LinuxHost();
  const logger = pino({}, { write: (line: string) => logged.push(JSON.parse(line).msg) });
  const bgp = new Bgp({
    node: nodeName("node-1"),
    snapshot: clusterSnapshot({
      nodes: { "node-1": { ips: ["172.18.1.11"] }, "node-2": { ips: ["172.18.1.12"] } },
      peers: { nobody: { peerIP: "172.18.1.1", asNumber: 0 } },
    }),
    daemon: new BirdDaemon({ host, socketPath, configPath }),
    running: new RunningConfig({ host, path: join(folder, "running.json"), configPath, logger }),
    inputs: async () => ({ secrets: new Map(), deliverable: new Set(), isDraining: false }),
    writeSettled: () => undefined,
    clock: systemClock,
    logger,
  });
  const notRunning = "BIRD does not run yet: its configuration is in place, and it is asked again";
  bgp.touched(new Set(["node"]));
  bgp.begin();
  await expect.poll(() => logged).toContain(notRunning);
  expect(readFileSync(configPath, "utf8")).toContain("172.18.1.12");

  const bird = spawn("ip", ["netns", "exec", namespace.name, "bird", "-f", "-c", configPath, "-s", socketPath]);
  try {
    await expect.poll(() => logged, { timeout: 10_000 }).toContain("BIRD took over a new configuration");
    bgp.touched(new Set(["pod"]));
    bgp.touched(new Set(["node"]));
    // Each said once, whatever the number of passes.
    expect(logged.filter((line) => line === notRunning)).toHaveLength(1);
    expect(logged.filter((line) => line === "cannot use this object for BGP")).toHaveLength(1);
  } finally {
    await bgp.stop();
    bird.kill("SIGKILL");
    rmSync(folder, { recursive: true });
  }
});
