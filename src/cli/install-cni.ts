import { hostname } from "node:os";
import { type Command, Option } from "commander";
import { InstallSettingsError, installSettingsOf } from "../cni/install/settings.ts";

/** `margay install-cni`: the executables and the configuration that runtimes find them by, on this node's disk. */
export function addInstallCni(program: Command): void {
  program
    .command("install-cni")
    .description("install the CNI executables, and their configuration once pods can be added; or remove them")
    .addOption(
      new Option("--shim <file>", "the compiled executable").env("MARGAY_SHIM").default("/usr/lib/margay/calico"),
    )
    .option("--bin-dir <folder>", "where the executables go, as this process sees it", "/opt/cni/bin")
    .option("--net-dir <folder>", "where the configuration goes, as this process sees it (default: CNI_NET_DIR)")
    .option(
      "--kubeconfig",
      "write calico-kubeconfig too, of this pod's ServiceAccount (or: MARGAY_CNI_KUBECONFIG=true)",
    )
    .option("--service-account-dir <folder>", "where that is", "/var/run/secrets/kubernetes.io/serviceaccount")
    .option("--uninstall", "remove what was installed, and nothing else; stop a running install-cni first")
    .option("--force", "uninstall although pods are wired")
    .addHelpText("after", variablesHelp)
    .action(async (flags: Flags, command: Command) => {
      try {
        await perform(flags);
      } catch (error) {
        if (error instanceof InstallSettingsError) command.error(`margay: ${error.message}`, { exitCode: 2 });
        throw error;
      }
    });
}

// --- internal ---

interface Flags {
  readonly shim: string;
  readonly binDir: string;
  readonly netDir?: string;
  readonly kubeconfig?: true;
  readonly serviceAccountDir: string;
  readonly uninstall?: true;
  readonly force?: true;
}

const variablesHelp = `
Variables, with upstream's meaning: CNI_NET_DIR CNI_CONF_NAME CNI_OLD_CONF_NAME CNI_NETWORK_CONFIG
CNI_NETWORK_CONFIG_FILE CNI_MTU KUBERNETES_NODE_NAME DATASTORE_TYPE LOG_LEVEL LOG_FILE_PATH LOG_FILE_MAX_SIZE
LOG_FILE_MAX_AGE LOG_FILE_MAX_COUNT SKIP_CNI_BINARIES UPDATE_CNI_BINARIES REQUIRE_MTU_FILE SLEEP SKIP_TLS_VERIFY`;

async function perform({ uninstall, force, kubeconfig, ...flags }: Flags): Promise<void> {
  const environment = kubeconfig ? { ...process.env, MARGAY_CNI_KUBECONFIG: "true" } : process.env;
  const settings = installSettingsOf(environment, hostname());
  const folders = { binDir: flags.binDir, netDir: flags.netDir ?? settings.hostNetDir };
  const report = (line: string) => void process.stdout.write(`install-cni: ${line}\n`);
  const { LinuxHost } = await import("../host/linux-host.ts");
  const host = new LinuxHost();
  if (uninstall) {
    const { uninstallCni } = await import("../cni/install/uninstall-cni.ts");
    const { confName } = settings;
    const stateDir = "/var/lib/margay/cni";
    return uninstallCni(host, { ...folders, confName, stateDir, force: force === true, report });
  }
  const { systemClock } = await import("../host/clock.ts");
  const { installCni } = await import("../cni/install/install-cni.ts");
  const { shim, serviceAccountDir: accountDir } = flags;
  const options = { ...folders, settings, shim, accountDir, report, signal: untilSignal() };
  return installCni({ host, clock: systemClock }, options);
}

function untilSignal(): AbortSignal {
  const end = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => end.abort());
  return end.signal;
}
