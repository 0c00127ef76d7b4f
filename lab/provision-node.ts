/** What stands on a node before it starts: credentials, the CNI configuration and executables, and what it is to run. */
import { copyFile, mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buildShim } from "../src/cni/build-shim.ts";
import { LinuxHost } from "../src/host/linux-host.ts";
import { findBinaries } from "./binaries.ts";
import { kubeconfigText } from "./certificates.ts";
import type { ControlPlane } from "./control-plane.ts";
import { kubeletDaemons } from "./kubelet/kubelet-daemons.ts";
import { type LabLayout, type NodeLayout, podCidr } from "./layout.ts";
import type { Daemon } from "./node.ts";
import type { RuntimeConfig } from "./runtime/main.ts";

const repository = join(import.meta.dirname, "..");
/** Where Debian's containernetworking-plugins has them. */
const debianPlugins = "/usr/lib/cni";

/** Compiles the product's CNI executables for this lab alone: another lab may be doing so at the same time. */
export function buildPlugins(layout: LabLayout): Promise<void> {
  return buildShim(new LinuxHost(), { folder: pluginsOf(layout) });
}

/** Writes all that into the node's folder, and gives the daemons to start it with. Needs what `buildPlugins` made. */
export async function provisionNode(
  layout: LabLayout,
  node: NodeLayout,
  controlPlane: ControlPlane,
): Promise<readonly Daemon[]> {
  const agentFolder = join(node.folder, "agent");
  await mkdir(agentFolder, { recursive: true, mode: 0o700 });
  const agentKubeconfig = join(agentFolder, "kubeconfig");
  const { url: server, authority } = controlPlane;
  const token = await agentToken(controlPlane);
  const agentAccess = await kubeconfigText({ server, authority, credentials: { token } });
  await writeFile(agentKubeconfig, agentAccess, { mode: 0o600 });
  await linkPlugins(node);
  const kubelet = await controlPlane.addUser(`system:node:${node.name}`, ["system:nodes"]);
  const proxy = await controlPlane.addUser("system:kube-proxy");
  const runtime: RuntimeConfig = {
    node: { name: node.name, address: node.address, rack: `${node.rack}` },
    kubeconfig: kubelet,
    folder: node.folder,
  };
  return [
    { name: "agent", argv: agentArgv(node, agentFolder, agentKubeconfig) },
    { name: "install-cni", argv: await installCniArgv(node, pluginsOf(layout), { controlPlane, token }) },
    { name: "bird", argv: [join(import.meta.dirname, "bird.sh")] },
    { name: "kube-proxy", argv: await kubeProxyArgv(node, proxy) },
    ...(node.runtime === "kubelet"
      ? await kubeletDaemons(layout, node, { authority: controlPlane.authority, kubeconfig: kubelet })
      : [
          {
            name: "runtime",
            argv: [process.execPath, join(import.meta.dirname, "runtime", "main.ts"), JSON.stringify(runtime)],
          },
        ]),
  ];
}

// --- internal ---

/**
 * The agent acts as its ServiceAccount, with no more rights than its role gives. A DaemonSet's token is bound to its pod, and
 * through it to its node; this one to nothing, as there is no such pod here, and a Node is to be deleted with its agent going on.
 */
async function agentToken({ kubectl }: ControlPlane): Promise<string> {
  const argv = ["create", "token", "margay-agent", "--namespace=margay-system", "--duration=8760h"];
  return (await kubectl(argv)).trim();
}

function agentArgv(node: NodeLayout, agentFolder: string, kubeconfig: string): readonly string[] {
  return [
    ...inContainer([repository, agentFolder]),
    ...[join(repository, "bin", "margay"), "agent"],
    ...["--node-name", node.name, "--kubeconfig", kubeconfig],
  ];
}

/** What runs the argv behind it as a container of the agent's DaemonSet, with these paths as its image's own content. */
function inContainer(keep: readonly string[]): readonly string[] {
  return [
    ...["unshare", "--mount", "--propagation", "slave", "--"],
    ...[join(import.meta.dirname, "agent-container.sh"), ...keep, "--"],
  ];
}

/** The installer, with what a pod has of its ServiceAccount, and the compiled executable as its image would hold it. */
async function installCniArgv(
  node: NodeLayout,
  built: string,
  { controlPlane, token }: { readonly controlPlane: ControlPlane; readonly token: string },
): Promise<readonly string[]> {
  const folder = join(node.folder, "install-cni");
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFile(join(folder, "token"), token, { mode: 0o600 });
  await copyFile(controlPlane.authority.certificate, join(folder, "ca.crt"));
  await writeFile(join(folder, "template"), JSON.stringify(cniList(controlPlane.url), undefined, 2));
  const { hostname, port } = new URL(controlPlane.url);
  return [
    ...inContainer([repository, folder, built]),
    ...["env", `KUBERNETES_SERVICE_HOST=${hostname}`, `KUBERNETES_SERVICE_PORT=${port}`],
    ...[`KUBERNETES_NODE_NAME=${node.name}`, `CNI_NETWORK_CONFIG_FILE=${join(folder, "template")}`],
    ...[process.execPath, join(repository, "src", "cli", "main.ts"), "install-cni"],
    ...["--shim", join(built, "calico"), "--kubeconfig", "--service-account-dir", folder],
  ];
}

/** Connection tracking limits are the machine's, so kube-proxy must leave them alone: 0 means that. */
async function kubeProxyArgv(node: NodeLayout, kubeconfig: string): Promise<readonly string[]> {
  return [
    (await findBinaries())["kube-proxy"],
    `--kubeconfig=${kubeconfig}`,
    `--hostname-override=${node.name}`,
    "--proxy-mode=iptables",
    `--cluster-cidr=${podCidr}`,
    "--conntrack-max-per-core=0",
    "--conntrack-min=0",
    "--conntrack-tcp-timeout-established=0",
    "--conntrack-tcp-timeout-close-wait=0",
  ];
}

function pluginsOf({ folder }: LabLayout): string {
  return join(folder, "cni");
}

async function linkPlugins(node: NodeLayout): Promise<void> {
  const plugins = join(node.folder, "disk", "opt", "cni", "bin");
  await mkdir(plugins, { recursive: true });
  for (const name of ["portmap", "loopback", "bandwidth", "tuning", "host-local"]) {
    await symlink(join(debianPlugins, name), join(plugins, name));
  }
}

/** The list as users have it; `assign_ipv4` is a string there. */
function cniList(apiUrl: string) {
  return {
    name: "k8s-pod-network",
    cniVersion: "0.3.0",
    plugins: [
      {
        type: "calico",
        log_level: "info",
        datastore_type: "kubernetes",
        nodename: "__KUBERNETES_NODE_NAME__",
        mtu: 0,
        ipam: { type: "calico-ipam", assign_ipv4: "true", assign_ipv6: "false" },
        container_settings: { allow_ip_forwarding: true },
        policy: { type: "k8s" },
        kubernetes: { k8s_api_root: apiUrl, kubeconfig: "__KUBECONFIG_FILEPATH__" },
      },
      { type: "portmap", snat: true, capabilities: { portMappings: true } },
    ],
  };
}
