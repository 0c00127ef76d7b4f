/** What is executed for one pod: our plugin, the reference chain, and the least that wires a pod at all. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Execution } from "../run-executions.ts";
import { podNetns, podNetnsName } from "./bench-node.ts";
import { benchedNode } from "./objects.ts";

/** A way to wire the pod of this index, for a container of this name, and to undo that. */
export interface Chain {
  add(index: number, container: string): readonly Execution[];
  del(index: number, container: string): readonly Execution[];
}

/** What our chain needs to know. */
export interface OurChainParts {
  /** Holds the executable `calico`, which finds its agent by the paths compiled in. */
  readonly shimFolder: string;
  readonly apiUrl: string;
  /** The Pod objects, by index. */
  readonly pods: readonly ChainPod[];
}

/** The object of a pod that is wired. */
export interface ChainPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** Our plugin. */
export async function ourChain(folder: string, { shimFolder, apiUrl, pods }: OurChainParts): Promise<Chain> {
  const stdinFile = await fileOf(folder, "ours.conf", JSON.stringify(ourConf(apiUrl, "1.0.0")));
  const program = join(shimFolder, "calico");
  const call = (verb: "ADD" | "DEL") => (index: number, container: string) => {
    const { namespace, name, uid } = pods[index] as ChainPod;
    const identity = { K8S_POD_NAMESPACE: namespace, K8S_POD_NAME: name, K8S_POD_UID: uid };
    const words = Object.entries({ IgnoreUnknown: "1", ...identity }).map(([name, value]) => `${name}=${value}`);
    const environment = { ...environmentOf(verb, index, container), CNI_ARGS: words.join(";"), CNI_PATH: shimFolder };
    return [{ program, environment, stdinFile }];
  };
  return { add: call("ADD"), del: call("DEL") };
}

/** Ends with 0 once ADD can succeed: the argv, and the standard input. */
export function statusCall({ shimFolder, apiUrl }: OurChainParts): readonly [argv: readonly string[], stdin: string] {
  const argv = ["env", "CNI_COMMAND=STATUS", `CNI_PATH=${shimFolder}`, join(shimFolder, "calico")];
  // The verb came with this version.
  return [argv, JSON.stringify(ourConf(apiUrl, "1.1.0"))];
}

/** `ptp` with `host-local`, as Debian has them: a veth too, with a route on the node and a gateway in the pod. */
export async function ptpChain(folder: string): Promise<Chain> {
  const ipam = { type: "host-local", ranges: [[{ subnet: "192.168.0.0/20" }]], routes: [{ dst: "0.0.0.0/0" }] };
  const stdinFile = await fileOf(
    folder,
    "ptp.conf",
    JSON.stringify({ name: "ptp", cniVersion: "1.0.0", type: "ptp", ipam }),
  );
  const call = (verb: "ADD" | "DEL") => (index: number, container: string) => {
    const environment = { ...environmentOf(verb, index, container), CNI_PATH: debianPlugins };
    return [{ program: join(debianPlugins, "ptp"), environment, stdinFile }];
  };
  return { add: call("ADD"), del: call("DEL") };
}

/** A veth with addresses and routes by ip(8) alone, which enters one namespace at a time: so two executions. */
export async function floorChain(folder: string, pods: number): Promise<Chain> {
  const files = await Promise.all(
    Array.from({ length: pods }, async (_, index) => ({
      pod: await fileOf(folder, `floor-pod-${index}`, podCommands(index)),
      node: await fileOf(folder, `floor-node-${index}`, nodeCommands(index)),
    })),
  );
  const ip = (argv: readonly string[], stdinFile = "/dev/null") => {
    return { program: "/usr/sbin/ip", arguments: [...argv], environment: {}, stdinFile };
  };
  return {
    add: (index) => [
      ip(["-n", podNetnsName(index), "-batch", "-"], files[index]?.pod),
      ip(["-batch", "-"], files[index]?.node),
    ],
    del: (index) => [ip(["link", "del", `floor${index}`])],
  };
}

// --- internal ---

/** Where Debian's containernetworking-plugins has them. */
const debianPlugins = "/usr/lib/cni";

/** As users have it; `assign_ipv4` is a string there. */
function ourConf(apiUrl: string, cniVersion: string): object {
  return {
    ...{ name: "k8s-pod-network", cniVersion, type: "calico", log_level: "info", datastore_type: "kubernetes" },
    ...{ nodename: benchedNode, mtu: 0, policy: { type: "k8s" }, container_settings: { allow_ip_forwarding: true } },
    ipam: { type: "calico-ipam", assign_ipv4: "true", assign_ipv6: "false" },
    kubernetes: { k8s_api_root: apiUrl, kubeconfig: "/etc/cni/net.d/calico-kubeconfig" },
  };
}

function environmentOf(verb: "ADD" | "DEL", index: number, container: string) {
  return { CNI_COMMAND: verb, CNI_CONTAINERID: container, CNI_NETNS: podNetns(index), CNI_IFNAME: "eth0" };
}

/** The peer is born in the node's namespace, which is that of its first process. */
function podCommands(index: number): string {
  const commands = [
    `link add eth0 type veth peer name floor${index} netns 1`,
    `address add ${addressOf(index)}/32 dev eth0`,
    "link set eth0 up",
    "route add 169.254.1.1 dev eth0 scope link",
    "route add default via 169.254.1.1 dev eth0",
  ];
  return `${commands.join("\n")}\n`;
}

function nodeCommands(index: number): string {
  return `link set floor${index} up\nroute add ${addressOf(index)}/32 dev floor${index} scope link\n`;
}

function addressOf(index: number): string {
  return `192.168.${100 + Math.floor(index / 250)}.${1 + (index % 250)}`;
}

async function fileOf(folder: string, name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text, { mode: 0o600 });
  return path;
}
