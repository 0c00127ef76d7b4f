/**
 * An agent without its kernel and BIRD, in a process of its own as on a node: `agent.ts NODE KUBECONFIG FOLDER SOCKET`.
 * It follows the API server as an agent does, so that reading each block's change again is paid for here too.
 */
import { join } from "node:path";
import { SnapshotStore } from "../../src/agent/snapshot-store.ts";
import type { NodeName } from "../../src/api/names.ts";
import { AttachmentFiles } from "../../src/cni/attachments.ts";
import type { Report } from "../../src/cni/dependencies.ts";
import { LeaseFiles } from "../../src/cni/leases.ts";
import { CniServer } from "../../src/cni/server.ts";
import { readInterfaceAddresses } from "../../src/host/addresses-in-use.ts";
import { systemClock } from "../../src/host/clock.ts";
import { LinuxHost } from "../../src/host/linux-host.ts";
import { openNetlink } from "../../src/host/netlink/route-netlink.ts";
import { mayLeadToNamespace } from "../../src/host/network-namespaces.ts";
import { readSysctl, writeSysctl } from "../../src/host/sysctl.ts";
import { Allocator } from "../../src/ipam/allocator.ts";
import { ChangeFeed } from "../../src/kube/change-feed.ts";
import { agentKinds } from "../../src/kube/fed-kinds.ts";
import { KubeIpamStore } from "../../src/kube/ipam-store.ts";
import { connect } from "../../src/kube/kubeconfig.ts";

const [name = "", kubeconfig = "", folder = "", socketPath = ""] = process.argv.slice(2);
const nodeName = name as NodeName;
const client = await connect({ kubeconfig, clock: systemClock });

const host = new LinuxHost();
const report: Report = (level, message, facts = {}) => {
  if (level !== "info") process.stderr.write(`${message} ${JSON.stringify(facts)}\n`);
};
const store = new SnapshotStore();
const { snapshot } = store;
const feed = new ChangeFeed({
  ...{ client, kinds: agentKinds, clock: systemClock },
  onChanges: (changes) => void store.apply(changes),
  onRejected: ({ kind, key, reason }) => report("error", `Cannot read ${kind} ${key}: ${reason}`),
  onTrouble: ({ kind, error }) => report("error", `Cannot follow ${kind}`, { error: String(error) }),
});
feed.start();
await feed.synced;

/** Addresses alone are asked for here: nothing is wired, and no pod is there. */
const notWired = async (): Promise<never> => {
  throw new Error("Cannot wire a pod: the benchmark asks for addresses only");
};
const server = new CniServer(
  {
    nodeName,
    paths: {
      spool: join(folder, "spool"),
      journal: join(folder, "journal"),
      intents: join(folder, "intents"),
      bootId: join(folder, "boot-id"),
      holds: join(folder, "holds"),
      netConf: join(folder, "net.d"),
      mtuFile: join(folder, "mtu"),
    },
    ...{ host, openNetlink, readSysctl, writeSysctl, report, clock: systemClock },
    ...{ readInterfaceAddresses, mayLeadToNamespace, isUplink: () => false },
    ipam: new Allocator({ store: ipamStore(), node: nodeName, clock: systemClock }),
    attachments: new AttachmentFiles(host, join(folder, "attachments"), report),
    leases: new LeaseFiles(host, join(folder, "leases"), report),
    cachedPod: () => undefined,
    namespaceOf: (namespace) => snapshot.namespace.get(namespace),
    pools: () => [...snapshot.ipPool.values()],
    nodes: () => [...snapshot.node.values()],
    bgpPeers: () => [...snapshot.bgpPeer.values()],
    apiServer: client.server,
    readPod: async () => undefined,
    publish: notWired,
    withdraw: notWired,
    policyFaults: notWired,
    runPlugin: notWired,
    unready: () => undefined,
    observer: { answered: () => undefined, attached: () => undefined, detached: () => undefined },
  },
  { socketPath },
);
await server.start();
process.stdout.write("ready\n");
// An interrupt at the keyboard goes to this process too; it ends when whoever started it closes its input, or is gone.
process.on("SIGINT", () => undefined);
process.stdin
  .on("end", async () => {
    await server.close();
    await feed.stop();
    client.close();
  })
  .resume();

// --- internal ---

function ipamStore(): KubeIpamStore {
  return new KubeIpamStore({
    client,
    onRejected: ({ kind, key, reason }) => report("error", `Cannot read ${kind} ${key}: ${reason}`),
    pools: () => [...snapshot.ipPool.values()],
    reservations: () => [...snapshot.ipReservation.values()],
    blocks: () => [...snapshot.ipamBlock.values()],
    configuration: () => ({ value: snapshot.ipamConfiguration.get("default") }),
    node: (one) => snapshot.node.get(one),
  });
}
