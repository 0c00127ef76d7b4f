/** The container images of the lab: two static programs in a docker-archive, as nothing can be pulled. */
import { createHash } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { LabLayout } from "../layout.ts";
import { run } from "../run.ts";

/** Holds a sandbox's namespaces. */
export const pauseImage = "margay.lab/pause:1";
/** For every other container: see probe.c. It serves TCP and UDP 8080 unless its arguments say otherwise. */
export const probeImage = "margay.lab/probe:1";

const images = [
  // The last one: where it is, all are.
  { program: "probe", tag: probeImage, command: ["serve", "--tcp", "8080", "--udp", "8080"] },
  { program: "pause", tag: pauseImage, command: [] },
] as const;

type Image = (typeof images)[number];

/** Where `buildImages` puts the archive that `ctr images import` takes. */
export function imagesOf({ folder }: LabLayout): string {
  return join(folder, "images.tar");
}

/** Compiles and packs them for this lab alone. Needs gcc with a static C library; rejects as `run` does. */
export async function buildImages(layout: LabLayout): Promise<void> {
  const work = join(layout.folder, "images");
  await mkdir(work, { recursive: true });
  const manifest: object[] = [];
  for (const image of images) manifest.push(await buildImage(work, image));
  await writeFile(join(work, "manifest.json"), JSON.stringify(manifest));
  const files = images.flatMap(({ program }) => [`${program}.json`, `${program}.tar`]);
  await pack(imagesOf(layout), work, [...files, "manifest.json"]);
  await rm(work, { recursive: true });
}

// --- internal ---

/** Makes the image's configuration and its one layer, and gives its entry in the archive's manifest. */
async function buildImage(work: string, { program, tag, command }: Image): Promise<object> {
  const root = join(work, program);
  await mkdir(root);
  const source = join(import.meta.dirname, `${program}.c`);
  await run(["gcc", "-static", "-Os", "-s", "-Wall", "-Wextra", "-Werror", "-o", join(root, program), source]);
  const layer = join(work, `${program}.tar`);
  await pack(layer, root, [program]);
  const digest = createHash("sha256")
    .update(await readFile(layer))
    .digest("hex");
  const configuration = {
    architecture: process.arch === "x64" ? "amd64" : process.arch,
    os: "linux",
    config: { Entrypoint: [`/${program}`], Cmd: command },
    rootfs: { type: "layers", diff_ids: [`sha256:${digest}`] },
  };
  await writeFile(join(work, `${program}.json`), JSON.stringify(configuration));
  return { Config: `${program}.json`, RepoTags: [tag], Layers: [`${program}.tar`] };
}

async function pack(archive: string, folder: string, names: readonly string[]): Promise<void> {
  await run(["tar", "--create", "--file", archive, "--directory", folder, "--owner=0", "--group=0", "--", ...names]);
}
