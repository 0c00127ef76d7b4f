/** Builds the Kubernetes, etcd and CNI programs from their Go modules, once, into the cache. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { builtFolder, cacheFolder, findOf, type Project, projects } from "./binaries.ts";
import { run } from "./run.ts";

/** Takes one line that tells a person what goes on. */
export type Progress = (line: string) => void;

const oldestGo = [1, 24] as const;

/**
 * Builds those programs that the machine lacks, and no others. Two at once do not clash: one builds, the other waits and
 * takes the result. Throws a sentence when Go is missing, too old, or the build fails; a failed build adds nothing.
 */
export async function buildMissing(progress: Progress, env: NodeJS.ProcessEnv = process.env): Promise<void> {
  for (const project of projects) {
    if (await isComplete(project, env)) continue;
    await mkdir(cacheFolder(env), { recursive: true });
    await using _lock = await takeLock(`${builtFolder(project, env)}.lock`, () =>
      progress(`waiting for another build of ${project.name} ${project.version}`),
    );
    if (!(await isComplete(project, env))) await build(project, progress, env);
  }
}

async function isComplete(project: Project, env: NodeJS.ProcessEnv): Promise<boolean> {
  return Object.keys(await findOf(project, env)).length === project.binaries.length;
}

async function build(project: Project, progress: Progress, env: NodeJS.ProcessEnv): Promise<void> {
  await checkGo(env);
  const present = await findOf(project, env);
  const missing = project.binaries.filter((name) => !(name in present));
  const target = builtFolder(project, env);
  const work = `${target}.building`;
  await rm(work, { recursive: true, force: true });
  await mkdir(work);
  try {
    await compile({ project, names: missing, work, progress, env });
    await mkdir(target, { recursive: true });
    for (const name of missing) await rename(join(work, name), join(target, name));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  progress(`${project.name} ${project.version} is built: ${target}`);
}

async function checkGo(env: NodeJS.ProcessEnv): Promise<void> {
  const advice = `Go ${oldestGo.join(".")} or newer is needed to build the programs of the lab; install it from https://go.dev/dl`;
  const said = await run(["go", "env", "GOVERSION"], { env: pathOf(env) }).catch((cause: unknown) => {
    throw new Error(`Cannot run go: ${advice}`, { cause });
  });
  const [major = 0, minor = 0] = said.trim().replace(/^go/, "").split(".").map(Number);
  if (major < oldestGo[0] || (major === oldestGo[0] && minor < oldestGo[1])) {
    throw new Error(`Cannot build with ${said.trim()}: ${advice}`);
  }
}

interface Compilation {
  readonly project: Project;
  /** Which of its programs. */
  readonly names: readonly string[];
  /** Where they go. */
  readonly work: string;
  readonly progress: Progress;
  readonly env: NodeJS.ProcessEnv;
}

function argvOf({ project, names, work }: Compilation): readonly string[] {
  const common = ["build", "-v", "-trimpath"];
  if (project.name === "etcd") {
    return [...common, "-ldflags", "-s -w", "-o", join(work, "etcd"), "go.etcd.io/etcd/server/v3"];
  }
  if (project.name === "cni") {
    return [...common, "-ldflags", "-s -w", "-o", `${work}/`, ...names.map(cniPackageOf)];
  }
  const stamp = `-s -w -X k8s.io/component-base/version.gitVersion=v${project.version}`;
  return [...common, "-ldflags", stamp, "-o", `${work}/`, ...names.map((name) => `k8s.io/kubernetes/cmd/${name}`)];
}

function cniPackageOf(name: string): string {
  if (name === "cnitool") return "github.com/containernetworking/cni/cnitool";
  if (name === "libcni-call") return "margay.io/lab/cni/libcni-call";
  const kinds = { ipam: ["host-local", "static"], main: ["bridge", "loopback", "macvlan", "ptp"] };
  const kind = Object.entries(kinds).find(([, plugins]) => plugins.includes(name))?.[0] ?? "meta";
  return `github.com/containernetworking/plugins/plugins/${kind}/${name}`;
}

/** Runs the compiler, with a line every five seconds: `go build -v` names each package that it compiles. */
async function compile(compilation: Compilation): Promise<void> {
  const { project, progress, env } = compilation;
  const child = spawn("go", argvOf(compilation), {
    cwd: join(import.meta.dirname, "binaries", project.name),
    env: { ...process.env, ...pathOf(env), CGO_ENABLED: "0", GOWORK: "off" },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const started = Date.now();
  let lines: readonly string[] = [];
  let packages = 0;
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    const said = text.split("\n").filter((line) => line !== "");
    packages += said.length;
    lines = [...lines, ...said].slice(-20);
  });
  const tick = () => {
    const seconds = Math.round((Date.now() - started) / 1000);
    const last = lines.at(-1) ?? "fetching modules";
    progress(`building ${project.name} ${project.version} (once): ${seconds} s, ${packages} packages, ${last}`);
  };
  tick();
  const timer = setInterval(tick, 5000);
  const [code] = await once(child, "close").finally(() => clearInterval(timer));
  if (code !== 0)
    throw new Error(`Cannot build ${project.name} ${project.version}: go ended with ${code}:\n${lines.join("\n")}`);
}

/** Where `go` is looked for. */
function pathOf({ PATH }: NodeJS.ProcessEnv): Readonly<Record<string, string>> {
  return PATH === undefined ? {} : { PATH };
}

/** A kernel lock on a file, held by a small child that ends with us, however we end. */
async function takeLock(path: string, onWait: () => void): Promise<AsyncDisposable> {
  const holder = spawn("flock", [path, "cat"], { stdio: ["pipe", "pipe", "inherit"] });
  const timer = setTimeout(onWait, 1000);
  const ended = once(holder, "close");
  holder.stdin.write("held\n");
  const answer = await Promise.race([once(holder.stdout, "data"), ended.then(() => undefined)]);
  clearTimeout(timer);
  if (answer === undefined) throw new Error(`Cannot lock ${path}: flock ended`);
  return {
    [Symbol.asyncDispose]: async () => {
      holder.stdin.end();
      await ended;
    },
  };
}
