/** An agent's CNI server and allocator in a process of their own, as on a node: `agent.ts NODE KUBECONFIG FOLDER SOCKET`. */
import { join } from "node:path";
import { parseIpPool } from "../../src/api/ip-pool.ts";
import { ipPoolKind, nodeKind, resourcePath } from "../../src/api/kinds.ts";
import { parseNode } from "../../src/api/kubernetes/node.ts";
import { AttachmentFiles } from "../../src/cni/attachments.ts";
import type { Report } from "../../src/cni/dependencies.ts";
import { LeaseFiles } from "../../src/cni/leases.ts";
import { CniServer } from "../../src/cni/server.ts";
import { systemClock } from "../../src/host/clock.ts";
import { LinuxHost } from "../../src/host/linux-host.ts";
import { openNetlink } from "../../src/host/netlink/route-netlink.ts";
import { readSysctl, writeSysctl } from "../../src/host/sysctl.ts";
import { connect } from "../../src/kube/kubeconfig.ts";
import { listAll } from "../../src/kube/list-all.ts";
import { nodeAllocator } from "./node-allocator.ts";

const [nodeName = "", kubeconfig = "", folder = "", socketPath = ""] = process.argv.slice(2);
const client = await connect({ kubeconfig, clock: systemClock });
const node = parseNode(await client.request("GET", resourcePath(nodeKind, { name: nodeName })));
const [pool, ...others] = (await listAll(client, resourcePath(ipPoolKind))).map(parseIpPool);
if (pool === undefined || others.length > 0) throw new Error("Cannot serve the benchmark: there must be one pool");

const host = new LinuxHost();
const report: Report = (level, message, facts = {}) => {
  if (level !== "info") process.stderr.write(`${message} ${JSON.stringify(facts)}\n`);
};
/** Addresses alone are asked for here: nothing is wired, and no pod is there. */
const notWired = async (): Promise<never> => {
  throw new Error("Cannot wire a pod: the benchmark asks for addresses only");
};
const server = new CniServer(
  {
    nodeName: node.name,
    paths: { spool: join(folder, "spool"), journal: join(folder, "journal"), mtuFile: join(folder, "mtu") },
    ...{ host, openNetlink, readSysctl, writeSysctl, report, clock: systemClock },
    ipam: nodeAllocator(client, node, pool),
    attachments: new AttachmentFiles(host, join(folder, "attachments"), report),
    leases: new LeaseFiles(host, join(folder, "leases"), report),
    cachedPod: () => undefined,
    namespaceOf: (name) => ({ name, labels: {}, annotations: {} }),
    pools: () => [pool],
    readPod: async () => undefined,
    publish: notWired,
    withdraw: notWired,
    unready: () => undefined,
  },
  { socketPath },
);
await server.start();
process.stdout.write("ready\n");
// It ends when whoever started it closes its input, or is gone.
process.stdin
  .on("end", async () => {
    await server.close();
    client.close();
  })
  .resume();
