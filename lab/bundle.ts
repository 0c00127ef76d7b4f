import { mkdir, readdir, rename, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { rolldown } from "rolldown";
import { runProgram } from "../src/host/run-program.ts";
import { plainHttp } from "./plain-http.ts";

const repository = join(import.meta.dirname, "..");
const folder = join(repository, "build/cli");
const main = join(folder, "main.mjs");

/**
 * Makes the command line a few files of plain JavaScript in `build/cli`, unless they are newer than all that they are made of:
 * the agent starts 0.2 s sooner and is 45 MB smaller than from `src`, of which it loads 1,600 modules. `main.mjs` comes last and as
 * old as the beginning, so that one that is there is whole, and what was saved meanwhile is newer. What programs that run may yet
 * load stays for a day.
 */
export async function bundleCli(say: (line: string) => void): Promise<void> {
  if (!(await isStale())) return;
  say("bundling the command line");
  const begun = new Date();
  const fresh = `${folder}.${process.pid}`;
  try {
    await build(fresh);
    await mkdir(folder, { recursive: true });
    const names = (await readdir(fresh)).filter((name) => name !== "main.mjs");
    for (const name of names) await rename(join(fresh, name), join(folder, name));
    await utimes(join(fresh, "main.mjs"), begun, begun);
    await rename(join(fresh, "main.mjs"), main);
    await removeOld(new Set([...names, "main.mjs"]));
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}

// --- internal ---

const dayMs = 86_400_000;

/** By the time of change, which no copy or archive sets back, as in `bin/margay`. */
async function isStale(): Promise<boolean> {
  if ((await stat(main).catch(() => undefined)) === undefined) return true;
  const sources = ["src", "package-lock.json", "lab/bundle.ts", "lab/plain-http.ts"].map((name) =>
    join(repository, name),
  );
  const { stdout } = await runProgram(["find", ...sources, "-newercm", main, "-print", "-quit"]);
  return stdout !== "";
}

async function build(target: string): Promise<void> {
  const bundle = await rolldown({
    input: join(repository, "src/cli/main.ts"),
    platform: "node",
    // A native module, a library that hardly anybody needs, and the lab, which finds its files beside itself.
    external: [/^koffi$/, /^@kubernetes\/client-node$/, /\/lab\/main\.ts$/],
    plugins: [plainHttp],
  });
  const names = { entryFileNames: "[name].mjs", chunkFileNames: "[name]-[hash].mjs" };
  // One character beyond Latin-1 has V8 keep the whole file with two bytes a character, for as long as the process lives.
  await bundle.write({ dir: target, format: "esm", comments: false, charset: "ascii", ...names });
  await bundle.close();
}

async function removeOld(current: ReadonlySet<string>): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    if (!current.has(name) && Date.now() - (await stat(path)).mtimeMs > dayMs) await rm(path);
  }
}
