import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { builtFolder, cacheFolder, findBinaries, findCniPrograms, projects } from "../../../lab/binaries.ts";
import { buildMissing } from "../../../lab/build.ts";

let folder: string;
let env: NodeJS.ProcessEnv;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "margay-binaries-"));
  env = { MARGAY_CACHE: join(folder, "cache"), PATH: join(folder, "path"), KUBEBUILDER_ASSETS: join(folder, "assets") };
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function place(where: string, name: string, says: string): string {
  mkdirSync(where, { recursive: true });
  const path = join(where, name);
  writeFileSync(path, `#!/bin/sh\necho '${says}'\n`);
  chmodSync(path, 0o755);
  return path;
}

function placeAllInCache(): void {
  for (const project of projects) for (const name of project.binaries) place(builtFolder(project, env), name, "built");
}

test("takes a program of the right version from KUBEBUILDER_ASSETS first, then PATH, then the cache", async () => {
  placeAllInCache();
  const assets = place(join(folder, "assets"), "kube-apiserver", "Kubernetes v1.34.1");
  place(join(folder, "path"), "kube-apiserver", "Kubernetes v1.34.2");
  const etcd = place(join(folder, "path"), "etcd", "etcd Version: 3.6.1");
  const found = await findBinaries(env);
  expect(found["kube-apiserver"]).toBe(assets);
  expect(found.etcd).toBe(etcd);
  expect(found["kube-proxy"]).toBe(join(folder, "cache", "kubernetes-1.34.4", "kube-proxy"));
});

test.each(["Kubernetes v1.32.4", "Kubernetes v1.340.1", "Kubernetes v1.34.0-dispatcher", ""])(
  "passes by a program that says %j",
  async (says) => {
    placeAllInCache();
    place(join(folder, "path"), "kubectl", says);
    expect((await findBinaries(env)).kubectl).toContain("cache");
  },
);

test("names what is missing, and says what to do", async () => {
  placeAllInCache();
  rmSync(join(folder, "cache", "etcd-3.6.8"), { recursive: true });
  await expect(findBinaries(env)).rejects.toThrow(/^Cannot find etcd .*run `make setup`/);
});

test("the CNI programs are those that are built here, whatever the machine has by their names", async () => {
  placeAllInCache();
  const built = await findCniPrograms(env);
  expect(readdirSync(built)).toContain("libcni-call");
  place(join(folder, "path"), "bridge", "bridge utility, 1.9.1");
  rmSync(join(built, "bridge"));
  await expect(findCniPrograms(env)).rejects.toThrow(/^Cannot find bridge in .*run `make setup`/);
  placeGo();
  await buildMissing(() => {}, env);
  expect(await findCniPrograms(env)).toBe(built);
  expect(readFileSync(join(built, "bridge"), "utf8")).toBe("new\n");
});

test("builds nothing when all is there", async () => {
  placeAllInCache();
  const lines: string[] = [];
  await buildMissing((line) => lines.push(line), env);
  expect(lines).toEqual([]);
});

/** Instead of the compiler: for each program it is to build, a file that says so. */
function placeGo(after = ""): void {
  const script = [
    'PATH=/usr/bin:/bin; if [ "$1" = env ]; then echo go1.26.0; exit; fi',
    'while [ "$1" != -o ]; do shift; done; out=$2; shift 2',
    'for package; do file=$out/$(basename "$package"); echo new >"$file"; chmod 755 "$file"; done',
    after,
  ];
  const path = place(join(folder, "path"), "go", "");
  writeFileSync(path, `#!/bin/sh\n${script.join("\n")}\n`);
}

test("builds just the program that is missing, beside those that are there", async () => {
  placeAllInCache();
  placeGo();
  const built = (name: string) => readFileSync(join(folder, "cache", "kubernetes-1.34.4", name), "utf8");
  const before = built("kubectl");
  rmSync(join(folder, "cache", "kubernetes-1.34.4", "kubelet"));
  await buildMissing(() => {}, env);
  expect(built("kubelet")).toBe("new\n");
  expect(built("kubectl")).toBe(before);
  expect(readdirSync(join(folder, "cache")).filter((name) => name.endsWith(".building"))).toEqual([]);
});

test("a failed build adds nothing", async () => {
  placeAllInCache();
  placeGo("exit 1");
  const cache = join(folder, "cache", "kubernetes-1.34.4");
  rmSync(join(cache, "kubelet"));
  await expect(buildMissing(() => {}, env)).rejects.toThrow("Cannot build kubernetes 1.34.4: go ended with 1");
  expect(existsSync(join(cache, "kubelet"))).toBe(false);
  expect(existsSync(join(cache, "kubectl"))).toBe(true);
});

test("the cache is MARGAY_CACHE, else margay in the user's cache", () => {
  expect(cacheFolder({ MARGAY_CACHE: "/m", XDG_CACHE_HOME: "/x" })).toBe("/m");
  expect(cacheFolder({ XDG_CACHE_HOME: "/x" })).toBe("/x/margay");
  expect(cacheFolder({})).toMatch(/\/\.cache\/margay$/);
});
