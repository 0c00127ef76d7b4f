/**
 * BGP of one node, wired as the agent wires it, in a process of its own: `fork` it with an `AgentRequest` as JSON, and send it
 * `AgentChange`s; each is answered once BIRD has taken it.
 */
import { pino } from "pino";
import { Bgp } from "../../src/agent/bgp/bgp.ts";
import { PeeringAddresses } from "../../src/agent/bgp/peering-addresses.ts";
import { RunningConfig } from "../../src/agent/bgp/running-config.ts";
import { BirdDaemon } from "../../src/bgp/bird/bird-daemon.ts";
import { systemClock } from "../../src/host/clock.ts";
import { LinuxHost } from "../../src/host/linux-host.ts";
import { openNetlink } from "../../src/host/netlink/route-netlink.ts";
import { addBlock, type ClusterNode, meshSnapshot, nodeName, plainInputs, removeBlock } from "./cluster.ts";
import { nowMs } from "./now.ts";

export interface AgentRequest {
  /** The first of them is this node. */
  readonly nodes: readonly ClusterNode[];
  readonly netns: string;
  readonly configPath: string;
  readonly socketPath: string;
  readonly runningPath: string;
}

/** A block of this node's that comes or goes. */
export interface AgentChange {
  readonly verb: "new" | "gone";
  readonly cidr: string;
}

/** When BGP was told of the change (`nowMs`). */
export interface AgentAnswer {
  readonly at: number;
}

const { nodes, netns, configPath, socketPath, runningPath } = JSON.parse(process.argv[2] ?? "") as AgentRequest;
const node = nodeName(nodes[0]?.name ?? "");
const snapshot = meshSnapshot(nodes);
const host = new LinuxHost();
// What goes wrong is told.
const logger = pino({ level: "warn" }, process.stderr);
const netlink = openNetlink(`/run/netns/${netns}`);
const peering = new PeeringAddresses(netlink);
/** When the change was made that is not in force yet; at first, when BGP began. */
let toldAt: number | undefined = nowMs();
const bgp = new Bgp({
  ...{ node, snapshot, clock: systemClock, logger },
  daemon: new BirdDaemon({ host, socketPath, configPath }),
  running: new RunningConfig({ host, path: runningPath, configPath, logger }),
  inputs: async () => plainInputs(),
  writeSettled: () => undefined,
  prepare: (config) => peering.apply(config, snapshot.attachment.values()),
  onApplied: () => {
    if (toldAt !== undefined) process.send?.({ at: toldAt } satisfies AgentAnswer);
    toldAt = undefined;
  },
});
process.on("message", ({ verb, cidr }: AgentChange) => {
  toldAt = nowMs();
  if (verb === "new") addBlock(snapshot, cidr, node);
  else removeBlock(snapshot, cidr);
  bgp.touched(new Set(["ipamBlock"]));
});
process.on("disconnect", async () => {
  await bgp.stop();
  netlink.close();
});
bgp.begin();
