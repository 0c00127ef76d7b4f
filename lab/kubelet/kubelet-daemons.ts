/** containerd and kubelet on one node: what stands there before it starts, and how both are started. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { findBinaries } from "../binaries.ts";
import { type Authority, makeServerPair } from "../certificates.ts";
import type { LabLayout, NodeLayout } from "../layout.ts";
import type { Daemon } from "../node.ts";
import { containerdConfig, containerdSocket } from "./containerd-config.ts";
import { imagesOf, pauseImage } from "./images.ts";
import { kubeletConfig } from "./kubelet-config.ts";

export interface KubeletAccess {
  readonly authority: Authority;
  /** Path of the kubeconfig with which kubelet is system:node:NAME. */
  readonly kubeconfig: string;
}

/** Writes their configuration into the node's folder, and gives them. Needs what `buildImages` made once they run. */
export async function kubeletDaemons(
  layout: LabLayout,
  node: NodeLayout,
  { authority, kubeconfig }: KubeletAccess,
): Promise<readonly Daemon[]> {
  // node-init.sh takes this folder for the sign that the node is of this kind.
  const folder = join(node.folder, "kubelet");
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const serving = await makeServerPair(authority, `kubelet-${node.name}`, [node.name, node.address]);
  const config = join(folder, "kubelet.json");
  const inputs = { clientAuthority: authority.certificate, serving, socket: containerdSocket };
  await writeFile(config, JSON.stringify(kubeletConfig(inputs), undefined, 2));
  const containerd = join(folder, "containerd.toml");
  await writeFile(containerd, containerdConfig());
  const start = [join(import.meta.dirname, "kubelet.sh"), imagesOf(layout), pauseImage];
  return [
    { name: "containerd", argv: ["containerd", "--config", containerd] },
    {
      name: "kubelet",
      argv: [...start, ...kubeletArgv(node, { program: (await findBinaries()).kubelet, config, kubeconfig })],
    },
  ];
}

// --- internal ---

interface KubeletFiles {
  readonly program: string;
  readonly config: string;
  readonly kubeconfig: string;
}

function kubeletArgv(node: NodeLayout, { program, config, kubeconfig }: KubeletFiles): readonly string[] {
  return [
    program,
    `--config=${config}`,
    `--kubeconfig=${kubeconfig}`,
    `--hostname-override=${node.name}`,
    `--node-ip=${node.address}`,
    `--node-labels=topology.kubernetes.io/zone=rack-${node.rack}`,
  ];
}
