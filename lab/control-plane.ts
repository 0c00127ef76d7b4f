/** etcd and a real kube-apiserver, with the controllers and the scheduler where they are wanted. */
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { type Binaries, findBinaries } from "./binaries.ts";
import { type Authority, type KeyPair, kubeconfigText, makeAuthority, makeClientPair } from "./certificates.ts";
import { componentArgv, makeCredentials } from "./control-plane-components.ts";
import { identify, kill, logTail, type Started, startProcess } from "./processes.ts";
import { run } from "./run.ts";
import { GivenUp, waitFor } from "./wait.ts";

export interface ControlPlaneOptions {
  /** Holds certificates, etcd's data and logs. Made; must be empty or not there. */
  readonly folder: string;
  /** `api`: etcd and kube-apiserver only (no ServiceAccount admission, so that a bare Pod is accepted). `all`: controllers and scheduler too. */
  readonly components: "api" | "all";
  /** `owner` (default): all ends with this process. `lab`: all runs on until it is killed by `folder`. */
  readonly lifetime?: "owner" | "lab";
  /** A named network namespace and the address in it, port 6443. Without it: 127.0.0.1 of this machine and a free port. */
  readonly network?: { readonly netns: string; readonly address: string };
  /** More names and addresses for the serving certificate. */
  readonly hosts?: readonly string[];
}

export interface ControlPlane {
  /** Path of a kubeconfig of a cluster administrator. */
  readonly kubeconfig: string;
  /** E.g. `https://127.0.0.1:34567`. */
  readonly url: string;
  readonly authority: Authority;
  readonly pids: readonly number[];
  /** What `kubectl ARGV` prints. Rejects with a `CommandError` when it ends non-zero. */
  kubectl(argv: readonly string[], stdin?: string): Promise<string>;
  /** A client certificate for this user, as a kubeconfig in a file of that name in the folder. Gives its path, the same each time. */
  addUser(user: string, groups?: readonly string[]): Promise<string>;
  /** Ends the processes and removes the folder. */
  stop(): Promise<void>;
}

const readyTimeoutMs = 120_000;

/** Starts it and waits until kube-apiserver is ready (`/readyz`). When that fails, nothing is left running. */
export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  await makeEmptyFolder(options.folder);
  const binaries = await findBinaries();
  for (let attempt = 1; ; attempt++) {
    try {
      return await start(options, binaries);
    } catch (cause) {
      // Between our look for a free port and the server's bind, another process may take it.
      const taken = cause instanceof Error && cause.message.includes("address already in use");
      if (!taken || attempt === 3) throw cause;
      await makeEmptyFolder(options.folder);
    }
  }
}

// --- internal ---

async function start(options: ControlPlaneOptions, binaries: Binaries): Promise<ControlPlane> {
  const address = options.network?.address ?? "127.0.0.1";
  const port = options.network === undefined ? await freePort() : 6443;
  const url = `https://${address}:${port}`;
  const { folder } = options;
  const authority = await makeAuthority(join(folder, "certificates"));
  const credentials = await makeCredentials(authority, [address, ...(options.hosts ?? [])]);
  const writeKubeconfig = async (name: string, pair: KeyPair) => {
    const path = join(folder, `${name}.kubeconfig`);
    await writeFile(path, await kubeconfigText({ server: url, authority, credentials: pair }), { mode: 0o600 });
    return path;
  };
  const kubeconfig = await writeKubeconfig("admin", credentials.admin);
  const controllers = await writeKubeconfig("controller-manager", credentials.controllerManager);
  const scheduler = await writeKubeconfig("scheduler", credentials.scheduler);

  const launch = { folder, lifetime: options.lifetime ?? "owner", netns: options.network?.netns } as const;
  const components = componentArgv({ folder, binaries, authority, credentials, address, port, controllers, scheduler });
  const wanted = options.components === "all" ? components.all : components.api;
  const started: Started[] = [];
  const stop = async () => {
    await kill(started.flatMap(({ pid, ended }) => (ended() === undefined ? (identify(pid) ?? []) : [])));
    await rm(folder, { recursive: true, force: true });
  };
  const kubectl = (argv: readonly string[], stdin?: string) =>
    run([...enter(options), binaries.kubectl, `--kubeconfig=${kubeconfig}`, ...argv] as [string, ...string[]], {
      ...(stdin === undefined ? {} : { stdin }),
      timeoutMs: 300_000,
    });
  try {
    for (const { name, argv } of wanted) started.push(await startProcess({ ...launch, name, argv }));
    await waitFor("kube-apiserver ready", { timeoutMs: readyTimeoutMs }, async () => {
      checkRunning(started);
      await kubectl(["get", "--raw=/readyz", "--request-timeout=2s"]);
      // Until its ServiceAccount is there, no Pod is admitted.
      if (options.components === "all") await kubectl(["get", "serviceaccount", "default", "--namespace=default"]);
      return true;
    });
  } catch (cause) {
    await stop();
    throw cause;
  }
  const users = new Map<string, Promise<string>>();
  const addUser = (user: string, groups: readonly string[] = []) => {
    const name = user.replaceAll(/[^A-Za-z0-9-]/g, "-");
    const added =
      users.get(name) ?? makeClientPair(authority, name, { user, groups }).then((pair) => writeKubeconfig(name, pair));
    users.set(name, added);
    return added;
  };
  return { kubeconfig, url, authority, pids: started.map(({ pid }) => pid), kubectl, addUser, stop };
}

async function makeEmptyFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if ((await readdir(folder)).length > 0) throw new Error(`Cannot start a control plane in ${folder}: it is not empty`);
}

function enter({ network }: ControlPlaneOptions): readonly string[] {
  return network === undefined ? [] : ["nsenter", `--net=/run/netns/${network.netns}`, "--"];
}

function checkRunning(started: readonly Started[]): void {
  for (const one of started) {
    const how = one.ended();
    if (how !== undefined) throw new GivenUp(`Cannot keep ${one.name} running: ${how}:\n${logTail(one.logFile)}`);
  }
}

/** A port that is free now on 127.0.0.1. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
