/**
 * What an agent knows of its BGP, alone in a node's network namespace: reads `BgpProbeQuestion`s from standard input, one JSON a line,
 * and answers each with a line. The one argument is `BgpWhyAgentOptions` as JSON.
 */
import { createInterface } from "node:readline";
import { FlightRecorder } from "../../src/agent/bgp/flight-recorder.ts";
import { Observer } from "../../src/agent/bgp/observer.ts";
import { BgpProbe } from "../../src/agent/bgp/probe-bgp.ts";
import { SessionTracks } from "../../src/agent/bgp/session-tracks.ts";
import { parseBgpProbeQuestion } from "../../src/api/bgp-probe.ts";
import { readBirdStatus } from "../../src/bgp/bird/read-bird-status.ts";
import type { BirdConfig } from "../../src/bgp/plan/bird-config.ts";
import { systemClock } from "../../src/host/clock.ts";
import { LinuxHost } from "../../src/host/linux-host.ts";
import { messageOf } from "../../src/net/message-of.ts";
import { type ClusterWords, clusterSnapshot, nodeName } from "../unit/bgp/cluster.ts";

/** A node, its configuration, and where it keeps things. */
export interface BgpWhyAgentOptions {
  readonly node: string;
  readonly cluster: ClusterWords;
  readonly wanted: BirdConfig | undefined;
  readonly running: BirdConfig | undefined;
  readonly socketPath: string;
  readonly folder: string;
}

const { node, cluster, wanted, running, socketPath, folder }: BgpWhyAgentOptions = JSON.parse(process.argv[2] ?? "{}");
const [host, clock, logger] = [new LinuxHost(), systemClock, { info: () => undefined, warn: () => undefined }];

const recorder = new FlightRecorder({ folder, host, clock, logger });
await recorder.load();
const observer = new Observer({ socketPath, clock, logger });
observer.listen(new SessionTracks(recorder, () => clock.now()));
observer.start();

const probe = new BgpProbe({
  ...{ node: nodeName(node), snapshot: clusterSnapshot(cluster), host, clock, recorder },
  wanted: () => wanted,
  running: () => running,
  readStatus: () => readBirdStatus(socketPath),
});
process.stdout.write("ready\n");
for await (const line of createInterface({ input: process.stdin })) {
  const answer = await probe
    .answer(parseBgpProbeQuestion(JSON.parse(line)))
    .catch((error: unknown) => ({ error: messageOf(error) }));
  // Whoever has the answer may kill this process: what it rests on is on disk by then.
  await recorder.settled();
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await observer.stop();
await recorder.settled();
