/**
 * Writes crds/<group>_<plural>.yaml and docs/reference/<singular>.md from the schemas in src/api.
 * With --check it writes nothing, names every file that is not as it would be written, and exits 1 if there is one.
 */
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { stringify } from "yaml";
import type { CustomKind } from "../src/api/custom-kind.ts";
import { apiOf, customKinds } from "../src/api/custom-kinds.ts";
import { crdOf } from "./crd.ts";
import { referencePage } from "./reference-page.ts";

const root = resolve(import.meta.dirname, "..");
const crdFolder = join(root, "crds");
const pageFolder = join(root, "docs/reference");

const files = new Map(customKinds.flatMap(filesOf));
const stale = process.argv.includes("--check") ? await staleFiles() : await writeAll();
for (const path of stale)
  process.stdout.write(`${relative(root, path)} is not as src/api says; run npm run generate\n`);
process.exitCode = stale.length === 0 ? 0 : 1;

// --- internal ---

function filesOf(kind: CustomKind): [path: string, text: string][] {
  const { group, version } = apiOf(kind);
  const example = {
    apiVersion: `${group}/${version}`,
    kind: kind.kind,
    metadata: { name: "example", ...(kind.namespaced === true ? { namespace: "default" } : {}) },
    spec: kind.example,
  };
  const crd = stringify(crdOf(kind), {
    ...{ lineWidth: 120, aliasDuplicateObjects: false },
    // The API server's clients read YAML 1.1, where a bare Off is no text.
    compat: "yaml-1.1",
  });
  return [
    [join(crdFolder, `${group}_${kind.plural}.yaml`), `# Generated from src/api; do not edit.\n${crd}`],
    [join(pageFolder, `${kind.singular}.md`), referencePage(kind, stringify(example))],
  ];
}

async function staleFiles(): Promise<string[]> {
  const wrong: string[] = [];
  for (const [path, text] of files) if ((await textOf(path)) !== text) wrong.push(path);
  return [...wrong, ...(await surplusFiles())];
}

/** Generated files of kinds that are no more. */
async function surplusFiles(): Promise<string[]> {
  const crds = await filesIn(crdFolder, ".yaml");
  const pages = await filesIn(pageFolder, ".md");
  return [...crds, ...pages].filter((path) => !files.has(path));
}

async function writeAll(): Promise<string[]> {
  for (const [path, text] of files) {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  }
  return surplusFiles();
}

async function filesIn(folder: string, extension: string): Promise<string[]> {
  const names = await readdir(folder);
  return names.filter((name) => name.endsWith(extension)).map((name) => join(folder, name));
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
