import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { isAbsolute, join } from "node:path";
import { buildShim } from "../../src/cni/build-shim.ts";
import { LinuxHost } from "../../src/host/linux-host.ts";

/** The real executables, compiled for a node of the tests. Disposing of it deletes them and what the node left. */
export interface Shim extends AsyncDisposable {
  /** Holds `calico` and `calico-ipam`. */
  readonly programs: string;
  /** Everything of the node; free for the next node once it is removed. */
  readonly nodeFolder: string;
  readonly socketPath: string;
  readonly spool: string;
  /** Runs an executable. */
  call(request: CniCall): Promise<CniReply>;
}

interface CniCall {
  readonly verb: string;
  /** The executable's name, or the absolute path of another plugin's; `calico` when absent. */
  readonly program?: string;
  /** The network namespace that the executable runs in, as another plugin must run in the node's; the tests' when absent. */
  readonly within?: string;
  readonly container?: string;
  readonly netns?: string;
  readonly interfaceName?: string;
  readonly pod?: string;
  readonly uid?: string;
  /** Added to `CNI_ARGS`, such as `IP=10.0.0.1`. */
  readonly argument?: string;
  readonly conf?: unknown;
  /** `CNI_PATH`; the folder of the executables when absent. */
  readonly path?: string;
  /** Kills the executable when aborted. */
  readonly signal?: AbortSignal;
}

/** What came of a call. */
export interface CniReply {
  readonly exitCode: number | null;
  readonly text: string;
  readonly json: Record<string, unknown>;
}

/** Compiles the executables so that an ADD waits `waitMs` for an agent. */
export async function compileShim(waitMs: number): Promise<Shim> {
  const folder = await mkdtemp(join(tmpdir(), "margay-cni-"));
  const programs = join(folder, "bin");
  const nodeFolder = join(folder, "node");
  const paths = {
    programs,
    nodeFolder,
    socketPath: join(nodeFolder, "run/cni.sock"),
    spool: join(nodeFolder, "spool"),
  };
  await buildShim(new LinuxHost(), {
    folder: programs,
    socketPath: paths.socketPath,
    spoolFolder: paths.spool,
    waitMs,
  });
  return {
    ...paths,
    call: (request) => callProgram(programs, request),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

/** The configuration of the quickstart, with `changes` at its top level. */
export function confOf(changes: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    name: "k8s-pod-network",
    cniVersion: "0.3.0",
    type: "calico",
    log_level: "info",
    datastore_type: "kubernetes",
    nodename: "node-1",
    mtu: 0,
    ipam: { type: "calico-ipam", assign_ipv4: "true", assign_ipv6: "false" },
    container_settings: { allow_ip_forwarding: true },
    policy: { type: "k8s" },
    kubernetes: { k8s_api_root: "https://10.96.0.1:443", kubeconfig: "/etc/cni/net.d/calico-kubeconfig" },
    ...changes,
  };
}

// --- internal ---

function callProgram(programs: string, request: CniCall): Promise<CniReply> {
  const { verb, container, netns, interfaceName = "eth0", pod, uid, argument } = request;
  const identity =
    pod === undefined ? "" : `;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=${pod};K8S_POD_UID=${uid ?? `uid-${pod}`}`;
  const env = {
    PATH: "/usr/bin:/bin:/usr/sbin:/sbin",
    CNI_COMMAND: verb,
    CNI_PATH: request.path ?? programs,
    CNI_IFNAME: interfaceName,
    CNI_ARGS: `IgnoreUnknown=1${identity}${argument === undefined ? "" : `;${argument}`}`,
    ...(container === undefined ? {} : { CNI_CONTAINERID: container }),
    ...(netns === undefined ? {} : { CNI_NETNS: netns }),
  };
  const conf = request.conf ?? confOf();
  const stdin = typeof conf === "string" ? conf : JSON.stringify(conf);
  const options = {
    env,
    killSignal: "SIGKILL" as const,
    ...(request.signal === undefined ? {} : { signal: request.signal }),
  };
  const { program = "calico", within } = request;
  const path = isAbsolute(program) ? program : join(programs, program);
  const [file, argv] = within === undefined ? [path, []] : ["nsenter", [`--net=${within}`, path]];
  return new Promise((resolve, reject) => {
    const child = execFile(file, argv, options, (error, stdout) => {
      // A program that was ended by the signal has no code.
      if (error === null || typeof error.code === "number" || request.signal?.aborted) {
        resolve({ exitCode: child.exitCode, text: stdout, json: stdout === "" ? {} : JSON.parse(stdout) });
      } else reject(error);
    });
    // VERSION does not read it.
    child.stdin?.on("error", () => undefined).end(stdin);
  });
}
