import { join } from "node:path";
import type { LinuxHost } from "../../host/linux-host.ts";
import type { Clock } from "../../net/clock.ts";
import { formatAccountKubeconfig } from "./account-kubeconfig.ts";
import { askStatus } from "./ask-status.ts";
import { type ConfList, defaultTemplate, readConfList } from "./conf-list.ts";
import { ensureFile, readBytes, stands } from "./ensure-file.ts";
import { asksFor, fillTemplate } from "./fill-template.ts";
import { NextChange } from "./next-change.ts";
import { isOurProgram, programNames } from "./programs.ts";
import { type InstallSettings, InstallSettingsError } from "./settings.ts";

/** The folders that are installed into, as this process sees them. */
export interface InstallFolders {
  readonly binDir: string;
  readonly netDir: string;
}

export interface InstallOptions extends InstallFolders {
  readonly settings: InstallSettings;
  /** The compiled executable. */
  readonly shim: string;
  /** Holds `token` and `ca.crt`, as in every pod. */
  readonly accountDir: string;
  /** Takes one line that tells a person what was done, or what is waited for. */
  readonly report: (line: string) => void;
  /** Ends it. */
  readonly signal: AbortSignal;
}

interface Machine {
  readonly host: LinuxHost;
  readonly clock: Clock;
}

/**
 * Installs the executables at once, and the configuration as soon as they say that pods can be added; each file in one step,
 * so that whoever stops or kills this at any point leaves an earlier installation or a later one. With `sleep` it stays until
 * `signal` and restores what is removed or changed; it does not look whether others want that file otherwise.
 * Rejects with an `InstallSettingsError` before anything is written when the configuration cannot be used, with a
 * `SystemError` when a file cannot be read or written, and when `signal` comes before a configuration without `sleep` stands.
 */
export async function installCni(machine: Machine, options: InstallOptions): Promise<void> {
  const installer = await Installer.prepare(machine, options);
  await installer.run();
}

/** The kubeconfig's name in the configuration folder; mode 0600. */
export const kubeconfigName = "calico-kubeconfig";

// --- internal ---

const pollMs = 200;
const sayAgainMs = 10_000;
/** No file takes so long to write. */
const oldMs = 60_000;
/** Changes come in groups, and two who restore the same file are not to take the node's time. */
const settleMs = 100;
/** In case a change was told to nobody, as where a folder was made anew. */
const lookAgainMs = 30_000;

class Installer {
  readonly #machine: Machine;
  readonly #options: InstallOptions;
  readonly #template: string;
  readonly #shim: Buffer;
  #saidAt = Number.NEGATIVE_INFINITY;
  #oldIsGone = false;
  #wrote = false;

  static async prepare(machine: Machine, options: InstallOptions): Promise<Installer> {
    const installer = new Installer(machine, options, {
      template: await templateOf(machine, options),
      shim: await shimOf(options),
    });
    // Whatever cannot be used is told before anything is written.
    await installer.#confList();
    await installer.#kubeconfig();
    return installer;
  }

  private constructor(
    machine: Machine,
    options: InstallOptions,
    { template, shim }: { template: string; shim: Buffer },
  ) {
    this.#machine = machine;
    this.#options = options;
    this.#template = template;
    this.#shim = shim;
  }

  async run(): Promise<void> {
    const { settings, binDir, netDir, accountDir, signal } = this.#options;
    // Another installer may be at work, as when a DaemonSet is rolled: what it is writing now stays; what one that was just killed
    // has left goes with a later start.
    const before = this.#machine.clock.now() - oldMs;
    for (const folder of [binDir, netDir]) await this.#machine.host.removeDrafts(folder, before);
    while (!signal.aborted) {
      // Watched before it is looked at: what changes in between is seen by one or the other.
      using change = new NextChange([binDir, netDir, accountDir]);
      this.#wrote = false;
      const reason = await this.#bringAbout();
      if (reason !== undefined) await this.#wait(reason);
      else if (!settings.sleep) return;
      // What was written may have made a folder, which nobody watches yet.
      else if (!this.#wrote) await this.#untilChanged(change);
    }
    if (!settings.sleep)
      throw new Error("Cannot finish installing the CNI: it was ended while pods could not be added");
  }

  /** Makes every file as it should be, except for the configuration while that has to wait: then the answer is why. */
  async #bringAbout(): Promise<string | undefined> {
    const { host } = this.#machine;
    const { binDir, netDir, settings } = this.#options;
    await this.#ensurePrograms();
    const kubeconfig = await this.#kubeconfig();
    if (kubeconfig !== undefined) await this.#ensure(join(netDir, kubeconfigName), kubeconfig, 0o600);
    const list = await this.#confList();
    // What holds a token is for root alone.
    const mode = asksFor(this.#template, tokenName) ? 0o600 : 0o644;
    const path = join(netDir, settings.confName);
    if (!(await stands(path, Buffer.from(list.text), mode))) {
      for (const question of list.questions) {
        const reason = await askStatus(host, binDir, question);
        if (reason !== undefined) return reason;
      }
      await this.#ensure(path, list.text, mode);
    }
    await this.#removeOld();
    return undefined;
  }

  async #ensurePrograms(): Promise<void> {
    const { binDir, settings } = this.#options;
    for (const name of programNames) {
      const path = join(binDir, name);
      if (settings.skippedPrograms.has(name)) continue;
      if (!settings.updatePrograms && (await readBytes(path)) !== undefined) continue;
      await this.#ensure(path, this.#shim, 0o755);
    }
  }

  async #ensure(path: string, content: Buffer | string, mode: number): Promise<void> {
    const written = await ensureFile(this.#machine.host, path, { content: Buffer.from(content), mode });
    if (!written) return;
    this.#wrote = true;
    this.#options.report(`wrote ${path}`);
  }

  /** Once: whoever makes it again means it. */
  async #removeOld(): Promise<void> {
    const { netDir, settings, report } = this.#options;
    if (this.#oldIsGone || settings.oldConfName === undefined) return;
    const path = join(netDir, settings.oldConfName);
    if ((await readBytes(path)) !== undefined) {
      await this.#machine.host.removeFile(path);
      report(`removed ${path}, of an earlier installation`);
    }
    this.#oldIsGone = true;
  }

  async #confList(): Promise<ConfList> {
    const { settings } = this.#options;
    const values = {
      ...settings.values,
      KUBECONFIG_FILEPATH: join(settings.hostNetDir, kubeconfigName),
      [tokenName]: asksFor(this.#template, tokenName) ? ((await this.#accountFile("token")) ?? "") : "",
    };
    const { confName: name, requireMtuFile } = settings;
    return readConfList(fillTemplate(this.#template, values), { name, requireMtuFile });
  }

  async #kubeconfig(): Promise<string | undefined> {
    const { settings, accountDir } = this.#options;
    const { kubeconfig, apiServer: server, skipTlsVerify } = settings;
    if (!kubeconfig) return undefined;
    const token = await this.#accountFile("token");
    const authority = skipTlsVerify ? undefined : await this.#accountFile("ca.crt");
    if (server !== undefined && token !== undefined && (authority !== undefined || skipTlsVerify)) {
      return formatAccountKubeconfig({ server, token, authority });
    }
    throw new InstallSettingsError([
      `the kubeconfig needs KUBERNETES_SERVICE_HOST, and token and ca.crt in ${accountDir}, as a pod with a ServiceAccount has them`,
    ]);
  }

  async #accountFile(name: "token" | "ca.crt"): Promise<string | undefined> {
    return (await this.#machine.host.readFile(join(this.#options.accountDir, name)))?.trim();
  }

  async #wait(reason: string): Promise<void> {
    const { clock } = this.#machine;
    if (clock.monotonicNow() - this.#saidAt >= sayAgainMs) {
      this.#options.report(`waiting with the configuration until pods can be added: ${reason}`);
      this.#saidAt = clock.monotonicNow();
    }
    await this.#sleep(pollMs);
  }

  async #untilChanged(change: NextChange): Promise<void> {
    this.#saidAt = Number.NEGATIVE_INFINITY;
    const over = new AbortController();
    const signal = AbortSignal.any([over.signal, this.#options.signal]);
    await Promise.race([change.happened, this.#sleep(lookAgainMs, signal)]);
    over.abort();
    await this.#sleep(settleMs);
  }

  /** Ends early when all is to end. */
  async #sleep(ms: number, signal = this.#options.signal): Promise<void> {
    await this.#machine.clock.sleep(ms, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }
}

const tokenName = "SERVICEACCOUNT_TOKEN";

async function templateOf({ host }: Machine, { settings }: InstallOptions): Promise<string> {
  const { file, text = defaultTemplate } = settings.template;
  if (file === undefined) return text;
  const found = await host.readFile(file);
  if (found === undefined) throw new InstallSettingsError([`CNI_NETWORK_CONFIG_FILE is ${file}, which is not there`]);
  return found;
}

async function shimOf({ shim }: InstallOptions): Promise<Buffer> {
  const bytes = await readBytes(shim);
  if (bytes === undefined) throw new InstallSettingsError([`there is no executable at ${shim}: say where with --shim`]);
  if (!isOurProgram(bytes)) throw new InstallSettingsError([`${shim} is not this project's CNI executable`]);
  return bytes;
}
