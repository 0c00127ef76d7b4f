/** The network configuration of a node, found and read as container runtimes do. */
import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";

export interface CniList {
  readonly name: string;
  readonly cniVersion: string;
  readonly plugins: readonly PluginConfig[];
}

/** One plugin's part: what it is to be told, beside what the runtime adds. */
export interface PluginConfig {
  readonly type: string;
  readonly capabilities?: Readonly<Record<string, boolean>>;
  readonly [key: string]: unknown;
}

/**
 * The first file by name with the ending `.conflist`, `.conf` or `.json`; a lone plugin's configuration counts as a list
 * of one. Undefined when there is no such file. Throws a sentence that names the file when it cannot be used.
 */
export async function readCniList(folder: string): Promise<CniList | undefined> {
  const names = (await readdir(folder)).filter((name) => /\.(conflist|conf|json)$/.test(name)).sort();
  const [first] = names;
  if (first === undefined) return undefined;
  const path = join(folder, first);
  return parseCniList(path, await readFile(path, "utf8"));
}

/** The list in this text. Throws a sentence that begins with `Cannot read PATH`. */
export function parseCniList(path: string, text: string): CniList {
  const json = parseObject(path, text);
  const whole = Array.isArray(json["plugins"]) ? json["plugins"] : [json];
  const { name, cniVersion } = json;
  if (typeof name !== "string" || name === "") throw new Error(`Cannot read ${path}: it has no name`);
  if (whole.length === 0) throw new Error(`Cannot read ${path}: its list of plugins is empty`);
  for (const plugin of whole) {
    const type: unknown = plugin?.type;
    // A type is a file name in the plugin folder, never a path.
    if (typeof type !== "string" || type === "" || basename(type) !== type) {
      throw new Error(`Cannot read ${path}: a plugin's type is ${JSON.stringify(type) ?? "missing"}`);
    }
  }
  return { name, cniVersion: typeof cniVersion === "string" ? cniVersion : "0.1.0", plugins: whole as PluginConfig[] };
}

// --- internal ---

function parseObject(path: string, text: string): Record<string, unknown> {
  try {
    const json: unknown = JSON.parse(text);
    if (typeof json === "object" && json !== null && !Array.isArray(json)) return json as Record<string, unknown>;
  } catch (cause) {
    throw new Error(`Cannot read ${path}: ${(cause as Error).message}`, { cause });
  }
  throw new Error(`Cannot read ${path}: it is not a JSON object`);
}
