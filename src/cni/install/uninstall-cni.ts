import { join } from "node:path";
import type { LinuxHost } from "../../host/linux-host.ts";
import { isAccountKubeconfig } from "./account-kubeconfig.ts";
import { readBytes } from "./ensure-file.ts";
import { type InstallFolders, kubeconfigName } from "./install-cni.ts";
import { isOurProgram, programNames } from "./programs.ts";

export interface UninstallOptions extends InstallFolders {
  readonly confName: string;
  /** Holds the folders `attachments` and `leases`: what the node has wired. */
  readonly stateDir: string;
  /** Go on although pods are wired. */
  readonly force: boolean;
  readonly report: (line: string) => void;
}

/**
 * Removes what was installed: the configuration first, so that the runtime asks for nothing that is about to go. A program of
 * that name that is none of ours stays, with the configuration, which is its then; so does a kubeconfig that is none of ours.
 * What is gone already is no error. Rejects, with nothing removed, while pods are wired, unless `force`; and with a
 * `SystemError` when a file cannot be read or removed.
 */
export async function uninstallCni(host: LinuxHost, options: UninstallOptions): Promise<void> {
  const { binDir, netDir, confName, report } = options;
  await requireNoPods(host, options);
  const remove = async (path: string) => {
    if ((await readBytes(path)) === undefined) return;
    await host.removeFile(path);
    report(`removed ${path}`);
  };
  const plugin = await readBytes(join(binDir, "calico"));
  const confPath = join(netDir, confName);
  if (plugin === undefined || isOurProgram(plugin)) await remove(confPath);
  else if ((await readBytes(confPath)) !== undefined) {
    report(`left ${confPath}: ${join(binDir, "calico")} is another's, so this is too`);
  }
  const kubeconfigPath = join(netDir, kubeconfigName);
  const kubeconfig = await host.readFile(kubeconfigPath);
  if (kubeconfig !== undefined && isAccountKubeconfig(kubeconfig)) await remove(kubeconfigPath);
  else if (kubeconfig !== undefined) report(`left ${kubeconfigPath}: it is another's`);
  for (const name of programNames) {
    const path = join(binDir, name);
    const bytes = await readBytes(path);
    if (bytes === undefined || isOurProgram(bytes)) await remove(path);
    else report(`left ${path}: it is another's`);
  }
  for (const folder of [binDir, netDir]) await host.removeDrafts(folder);
}

// --- internal ---

async function requireNoPods(host: LinuxHost, { stateDir, force, report }: UninstallOptions): Promise<void> {
  const folders = ["attachments", "leases"].map((name) => host.listFolder(join(stateDir, name)));
  const wired = (await Promise.all(folders)).flat().length;
  if (wired === 0) return;
  const sentence = `interfaces of pods are wired here: ${wired} (${stateDir}), and without the executables they cannot be taken down: every DEL will fail`;
  if (!force) throw new Error(`Cannot uninstall the CNI: ${sentence}. Drain the node first, or give --force`);
  report(`warning: ${sentence}`);
}
