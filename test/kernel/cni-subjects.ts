import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { NodeName } from "../../src/api/names.ts";
import type { RawRequest } from "../../src/cni/request.ts";
import { parseCidr } from "../../src/net/cidr.ts";
import { reserveFaults } from "./cni-agent-ipam.ts";
import { type CniReply, confOf } from "./cni-call.ts";
import type { CniNode } from "./cni-node.ts";

/** One kind of attachment, and how to tell whether it is there. */
export interface Subject {
  readonly name: string;
  readonly node: CniNode;
  /** The call of the runtime, by the node's executables or by those of another folder. */
  call(verb: "ADD" | "DEL", programs?: string): Promise<CniReply>;
  /** The same call as it reaches the agent. */
  request(verb: "ADD" | "DEL"): RawRequest;
  /** Everything of it that is left on the node or in the cluster. */
  left(): Promise<readonly string[]>;
  /** Throws unless the attachment is there, once: in the kernel, in the files and in the cluster. */
  requireWhole(): Promise<void>;
  /** Throws unless packets pass; nothing for what another main plugin wires. */
  requireWorking(): Promise<void>;
}

/** By which kinds of address management there are. */
export const subjectsOf = {
  "both families of calico-ipam": (node: CniNode): Subject =>
    pod(node, { type: "calico-ipam", assign_ipv4: true, assign_ipv6: true }),
  "host-local": (node: CniNode): Subject => {
    const own = { internalIps: [], podCidrs: [parseCidr("10.77.3.0/24")] };
    node.nodes = [{ name: "node-1" as NodeName, labels: {}, annotations: {}, ...own }];
    return pod(node, { type: "host-local", dataDir: join(node.folder, "host-local"), subnet: "usePodCidr" });
  },
  "calico-ipam under bridge": (node: CniNode): Subject => delegated(node),
};

// --- internal ---

const container = "3f6940ab5ab43bc5";
const plugins = "/usr/lib/cni";

interface IpamConf {
  readonly type: string;
  readonly [setting: string]: unknown;
}

function pod(node: CniNode, ipam: IpamConf): Subject {
  const netns = node.addPod("web");
  const conf = confOf({ cniVersion: "1.0.0", ipam });
  const isOurs = ipam.type === "calico-ipam";
  const held = async () => (isOurs ? node.allocations().map(({ ip }) => ip) : hostLocal(node));
  return {
    name: ipam.type,
    node,
    call: (verb, programs = node.shim.programs) =>
      node.call({ verb, container, netns, pod: "web", conf, path: plugins, program: join(programs, "calico") }),
    request: (verb) => requestOf(verb, { program: "calico", netns, interfaceName: "eth0", conf, pod: "web" }),
    left: async () => {
      const inPod = await node.run(netns, ["ip", "-o", "link"]);
      const others = isOurs ? [] : (await held()).map((ip) => `host-local ${ip}`);
      return [...(await leftOn(node)), ...(inPod.includes("eth0") ? ["eth0 of the pod"] : []), ...others];
    },
    requireWhole: async () => {
      const given = await held();
      require(given.length === (isOurs ? 2 : 1), `${given.length} addresses are held: ${given}`);
      await requireWired(node, netns, given);
      const files = (await node.leftovers()).filter((name) => name.includes(":eth0"));
      require(files.length === 1, `there is not one file of it: ${files}`);
      requireSoundReserve(node);
      const [published] = [...node.published.values()];
      require(published?.addresses.length === given.length, `${node.published.size} are published, or without address`);
    },
    requireWorking: async () => {
      for (const ip of await held()) await node.connect(node.netns, netns, ip);
      await node.connect(netns, node.netns, "10.250.0.1");
    },
  };
}

/** As a main plugin calls it, whose own work is of no interest here. */
function delegated(node: CniNode): Subject {
  const netns = node.addNamespace();
  // One that has a gateway on the node, for which an address is held too.
  const main = { type: "bridge", bridge: "br0", isDefaultGateway: true };
  const conf = { name: "side", cniVersion: "1.0.0", ...main, ipam: { type: "calico-ipam" } };
  return {
    name: "calico-ipam",
    node,
    call: (verb, programs = node.shim.programs) =>
      node.call({ verb, container, netns, conf, interfaceName: "net1", program: join(programs, "calico-ipam") }),
    request: (verb) => requestOf(verb, { program: "calico-ipam", netns, interfaceName: "net1", conf }),
    left: () => leftOn(node),
    requireWhole: async () => {
      const given = node.allocations().filter(({ attribute }) => String(attribute.handle_id).startsWith("side."));
      const files = await node.dependencies.host.listFolder(join(node.folder, "leases"));
      require(given.length === 1, `${given.length} addresses are held`);
      require(files.length === 1, `there is not one lease: ${files}`);
      const open = (await node.leftovers()).filter((name) => name.endsWith(":net1"));
      require(open.length === 0, `it is not ended: ${open}`);
      requireSoundReserve(node);
    },
    requireWorking: async () => {},
  };
}

async function leftOn(node: CniNode): Promise<readonly string[]> {
  return [...(await node.leftovers()), ...reserveFaults(node)];
}

function requireSoundReserve(node: CniNode): void {
  const faults = reserveFaults(node);
  require(faults.length === 0, faults.join("; "));
}

/** Both ends are up, with the addresses and routes. */
async function requireWired(node: CniNode, netns: string, addresses: readonly string[]): Promise<void> {
  const [host, inside] = [await kernelOf(node, undefined), await kernelOf(node, netns)];
  const [end, peer] = [
    host.links.find(({ name }) => name.startsWith("cali")),
    inside.links.find(({ name }) => name === "eth0"),
  ];
  require(end?.up === true && peer?.up === true && end.peerIndex === peer.index, "its ends are not up, or not its own");
  for (const ip of addresses) {
    require(inside.addresses.some((one) => one.ip === ip && one.linkIndex === peer.index), `the pod has not ${ip}`);
    const isRouted = host.routes.some((one) => one.destination.split("/")[0] === ip && one.linkIndex === end.index);
    require(isRouted, `the node has no route to ${ip}`);
  }
  require(inside.routes.some(
    ({ destination, linkIndex }) => destination === "0.0.0.0/0" && linkIndex === peer.index,
  ), "the pod has no way out");
}

async function kernelOf(node: CniNode, netns: string | undefined) {
  const netlink = node.dependencies.openNetlink(netns);
  try {
    const routes = [...(await netlink.routes(4)), ...(await netlink.routes(6))];
    return { links: await netlink.links(), addresses: await netlink.addresses(), routes };
  } finally {
    netlink.close();
  }
}

interface Said {
  readonly program: string;
  readonly netns: string;
  readonly interfaceName: string;
  readonly conf: object;
  readonly pod?: string;
}

function requestOf(verb: string, { program, netns, interfaceName, conf, pod: name }: Said): RawRequest {
  const identity = name === undefined ? "" : `;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=${name};K8S_POD_UID=uid-${name}`;
  const environment = {
    CNI_COMMAND: verb,
    CNI_CONTAINERID: container,
    CNI_IFNAME: interfaceName,
    CNI_NETNS: netns,
    CNI_PATH: plugins,
    CNI_ARGS: `IgnoreUnknown=1${identity}`,
  };
  return { program, environment: new Map(Object.entries(environment)), stdin: JSON.stringify(conf) };
}

async function hostLocal(node: CniNode): Promise<readonly string[]> {
  const folder = join(node.folder, "host-local/k8s-pod-network");
  const names = await readdir(folder).catch(() => []);
  return names.filter((name) => name !== "lock" && !name.startsWith("last_reserved"));
}

function require(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Error(`Cannot call it whole: ${otherwise}`);
}
