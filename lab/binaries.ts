/** Where the Kubernetes, etcd and CNI programs of the lab come from. */
import { access, constants } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { run } from "./run.ts";

type BinaryName = (typeof clusterProjects)[number]["binaries"][number];

/** Absolute paths of the programs of a cluster. */
export type Binaries = Readonly<Record<BinaryName, string>>;

/** One project whose programs the lab runs, and how its own words tell its version. */
export interface Project {
  readonly name: "kubernetes" | "etcd" | "cni";
  /** What is built when none is there. */
  readonly version: string;
  /** Major and minor: what a program found on the machine must be. Without it only what is built here will do. */
  readonly series?: string;
  readonly binaries: readonly string[];
}

const clusterProjects = [
  {
    name: "kubernetes",
    version: "1.34.4",
    series: "1.34",
    binaries: ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubectl", "kubelet"],
  },
  { name: "etcd", version: "3.6.8", series: "3.6", binaries: ["etcd"] },
] as const satisfies readonly Project[];

/** What tests of the CNI executables run them with: the runtimes' library, and plugins newer than Debian's. */
const cniProject = {
  name: "cni",
  version: "1.9.1",
  binaries: [
    "cnitool",
    "libcni-call",
    "bandwidth",
    "bridge",
    "host-local",
    "loopback",
    "macvlan",
    "portmap",
    "ptp",
    "sbr",
    "static",
    "tuning",
  ],
} as const satisfies Project;

export const projects: readonly Project[] = [...clusterProjects, cniProject];

/** The folder under which what was built is kept: `MARGAY_CACHE`, else `margay` in the user's cache. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  return env["MARGAY_CACHE"] || join(env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "margay");
}

/** Where the programs of `project` stand once they are built. */
export function builtFolder(project: Project, env: NodeJS.ProcessEnv = process.env): string {
  return join(cacheFolder(env), `${project.name}-${project.version}`);
}

/**
 * The programs as they are on this machine: from `KUBEBUILDER_ASSETS`, then `PATH` (when the version fits), then the
 * cache. Throws a sentence that names the missing ones and says how to get them.
 */
export async function findBinaries(env: NodeJS.ProcessEnv = process.env): Promise<Binaries> {
  const found = Object.assign({}, ...(await Promise.all(clusterProjects.map((project) => findOf(project, env)))));
  const missing = clusterProjects.flatMap((project) => project.binaries.filter((name) => !(name in found)));
  if (missing.length > 0) {
    throw new Error(
      `Cannot find ${missing.join(", ")} (Kubernetes 1.34, etcd 3.6) in KUBEBUILDER_ASSETS, PATH or ${cacheFolder(env)}: ` +
        "run `make setup` (or lab/bootstrap.sh) once to build them",
    );
  }
  return found as Binaries;
}

/** The folder of the CNI programs. Throws a sentence that says how to get them when one is missing. */
export async function findCniPrograms(env: NodeJS.ProcessEnv = process.env): Promise<string> {
  const folder = builtFolder(cniProject, env);
  const found = await findOf(cniProject, env);
  const missing = cniProject.binaries.filter((name) => !(name in found));
  if (missing.length === 0) return folder;
  throw new Error(
    `Cannot find ${missing.join(", ")} in ${folder}: run \`make setup\` (or lab/bootstrap.sh) once to build them`,
  );
}

/** Those programs of one project that are on this machine. */
export async function findOf(project: Project, env: NodeJS.ProcessEnv): Promise<Readonly<Record<string, string>>> {
  const entries = await Promise.all(project.binaries.map(async (name) => [name, await findOne(project, name, env)]));
  return Object.fromEntries(entries.filter(([, path]) => path !== undefined));
}

async function findOne(project: Project, name: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const { series } = project;
  const folders = series === undefined ? [] : [env["KUBEBUILDER_ASSETS"], ...(env["PATH"] ?? "").split(delimiter)];
  for (const folder of folders) {
    if (!folder) continue;
    const path = join(folder, name);
    if ((await isExecutable(path)) && (await versionOf(path)).startsWith(`${series}.`)) return path;
  }
  const built = join(builtFolder(project, env), name);
  return (await isExecutable(built)) ? built : undefined;
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** E.g. `1.34.4`; empty when the program does not say, which fits nothing. */
async function versionOf(path: string): Promise<string> {
  const argv = path.endsWith("/kubectl") ? (["version", "--client"] as const) : (["--version"] as const);
  const said = await run([path, ...argv], { timeoutMs: 10_000 }).catch(() => "");
  return /\bv?(\d+\.\d+\.\d+)(?=\s|$)/m.exec(said)?.[1] ?? "";
}
