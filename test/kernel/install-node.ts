import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type InstallOptions, installCni } from "../../src/cni/install/install-cni.ts";
import { installSettingsOf } from "../../src/cni/install/settings.ts";
import { systemClock } from "../../src/host/clock.ts";
import { LinuxHost } from "../../src/host/linux-host.ts";
import type { CniNode } from "./cni-node.ts";

type Environment = Readonly<Record<string, string>>;

/** A node's folders that the installer writes into, and ways to run it. */
export class InstallNode implements AsyncDisposable {
  readonly node: CniNode;
  readonly binDir: string;
  readonly netDir: string;
  /** A ServiceAccount's folder, empty until `giveAccount`. */
  readonly accountDir: string;
  readonly shim: string;
  readonly said: string[] = [];
  readonly #end = new AbortController();
  readonly #running: Promise<unknown>[] = [];
  readonly #children: ChildProcess[] = [];

  constructor(node: CniNode) {
    this.node = node;
    this.binDir = join(node.folder, "opt/bin");
    this.netDir = join(node.folder, "etc/net.d");
    this.accountDir = join(node.folder, "account");
    this.shim = join(node.shim.programs, "calico");
  }

  get list(): string {
    return join(this.netDir, "10-calico.conflist");
  }

  /** Installs in this process until it has ended; `SLEEP` is false unless given. Ended with the node. */
  install(environment: Environment = {}, changes: Partial<InstallOptions> = {}): Promise<void> {
    const settings = installSettingsOf({ SLEEP: "false", KUBERNETES_NODE_NAME: "node-1", ...environment }, "");
    const { binDir, netDir, accountDir, shim } = this;
    const report = (line: string) => void this.said.push(line);
    const signal = AbortSignal.any([this.#end.signal, ...(changes.signal === undefined ? [] : [changes.signal])]);
    const options = { binDir, netDir, accountDir, shim, settings, report, ...changes, signal };
    const running = installCni({ host: new LinuxHost(), clock: systemClock }, options);
    this.#running.push(running.catch(() => undefined));
    return running;
  }

  /** Runs `margay install-cni` on these folders. */
  start(environment: Environment = {}): ChildProcess {
    const program = join(import.meta.dirname, "../../src/cli/main.ts");
    const folders = ["--bin-dir", this.binDir, "--net-dir", this.netDir, "--service-account-dir", this.accountDir];
    const child = spawn(process.execPath, [program, "install-cni", "--shim", this.shim, ...folders], {
      env: { PATH: process.env["PATH"], SLEEP: "false", KUBERNETES_NODE_NAME: "node-1", ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#children.push(child);
    return child;
  }

  async giveAccount(token: string): Promise<void> {
    await mkdir(this.accountDir, { recursive: true });
    await writeFile(join(this.accountDir, "ca.crt"), "PEM");
    await writeFile(join(this.accountDir, "token"), token);
  }

  /** Every file that is installed, drafts with them, sorted. */
  async files(): Promise<readonly string[]> {
    const folders = [this.binDir, this.netDir].map((folder) => readdir(folder).catch(() => []));
    return (await Promise.all(folders)).flat().sort();
  }

  /** Makes what is half-written as old as what a process left that was killed long ago. */
  async ageDrafts(): Promise<void> {
    for (const folder of [this.binDir, this.netDir]) {
      const drafts = (await readdir(folder)).filter((name) => name.endsWith(".replacing"));
      for (const name of drafts) await utimes(join(folder, name), 1_000, 1_000);
    }
  }

  async readList(): Promise<string | undefined> {
    return readFile(this.list, "utf8").catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    const left = this.#children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null);
    const ended = left.map((child) => once(child, "close"));
    for (const child of left) child.kill("SIGKILL");
    await Promise.all([...this.#running, ...ended]);
  }
}

/** How a program ended, and what it said. */
export async function ended(child: ChildProcess): Promise<{ readonly code: number | null; readonly said: string }> {
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk: Buffer) => (said += chunk));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, said };
}

/** A list whose text is told from others by `remark`; `padding` makes it long. */
export function listText(remark: string, padding = 0): string {
  return `${JSON.stringify({
    name: "k8s-pod-network",
    cniVersion: "0.3.0",
    remark: remark + "x".repeat(padding),
    plugins: [
      { type: "calico", datastore_type: "kubernetes", nodename: "node-1", ipam: { type: "calico-ipam" } },
      { type: "portmap", snat: true, capabilities: { portMappings: true } },
    ],
  })}\n`;
}
