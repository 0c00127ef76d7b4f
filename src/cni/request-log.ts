import { isAbsolute } from "node:path";
import { z } from "zod";
import { appendRotating } from "../host/rotating-file.ts";
import { messageOf } from "../net/message-of.ts";
import type { CniError } from "./cni-error.ts";
import type { CniDependencies } from "./dependencies.ts";
import type { RawRequest } from "./request.ts";

/** What became of a request. */
export interface RequestOutcome {
  readonly ms: number;
  /** Undefined: it succeeded. */
  readonly error: CniError | undefined;
}

/**
 * The file that a configuration names as `log_file_path`: one JSON object a line for each request, the failed ones alone when
 * `log_level` is `warning` or above, and with the runtime's variables at `debug`. Its size, age and number are the
 * configuration's, else upstream's. Nobody waits for it, and a file that cannot be written is reported once until it can.
 */
export class RequestLog {
  readonly #node: Pick<CniDependencies, "clock" | "report" | "nodeName">;
  /** By path, the end of what is to be written. */
  readonly #tails = new Map<string, Promise<void>>();
  readonly #failing = new Set<string>();

  constructor(node: Pick<CniDependencies, "clock" | "report" | "nodeName">) {
    this.#node = node;
  }

  write(request: RawRequest, outcome: RequestOutcome): void {
    const settings = settingsOf(request.stdin);
    if (settings === undefined || (outcome.error === undefined && !settings.tellsSuccess)) return;
    const line = `${JSON.stringify(this.#entryOf(request, outcome, settings))}\n`;
    const { path } = settings;
    const tail = (this.#tails.get(path) ?? Promise.resolve()).then(() => this.#append(line, settings));
    this.#tails.set(path, tail);
    void tail.then(() => {
      if (this.#tails.get(path) === tail) this.#tails.delete(path);
    });
  }

  /** Resolves when everything so far is written, or could not be. */
  async settled(): Promise<void> {
    await Promise.all(this.#tails.values());
  }

  #entryOf({ program, environment }: RawRequest, { ms, error }: RequestOutcome, { level }: LogSettings) {
    const pairs = new Map((environment.get("CNI_ARGS") ?? "").split(";").map((pair) => splitOnce(pair)));
    const [namespace, name] = [pairs.get("K8S_POD_NAMESPACE"), pairs.get("K8S_POD_NAME")];
    return {
      time: new Date(this.#node.clock.now()).toISOString(),
      level: error === undefined ? "info" : "error",
      node: this.#node.nodeName,
      program,
      verb: environment.get("CNI_COMMAND"),
      containerId: environment.get("CNI_CONTAINERID"),
      pod: namespace === undefined || name === undefined ? undefined : `${namespace}/${name}`,
      ms: Math.round(ms * 10) / 10,
      code: error?.code ?? 0,
      message: error?.message ?? "done",
      ...(level === "debug" ? { details: error?.details, environment: Object.fromEntries(environment) } : {}),
    };
  }

  async #append(line: string, { path, limits }: LogSettings): Promise<void> {
    const { clock, report } = this.#node;
    try {
      if (!isAbsolute(path)) throw new Error("it is not an absolute path");
      await appendRotating(path, line, limits, clock.now());
      this.#failing.delete(path);
    } catch (error) {
      if (this.#failing.has(path)) return;
      this.#failing.add(path);
      const advice = "Requests are served all the same; mend log_file_path of the network configuration, or the folder";
      report("warn", `Cannot write the log ${path} that the configuration asks for: ${messageOf(error)}. ${advice}`);
    }
  }
}

// --- internal ---

interface LogSettings {
  readonly path: string;
  readonly level: string;
  readonly tellsSuccess: boolean;
  readonly limits: Parameters<typeof appendRotating>[2];
}

/** As upstream's plugin has them, where 0 says nothing. */
const defaults = { megabytes: 100, days: 30, files: 10 };
const dayMs = 24 * 60 * 60 * 1000;

const number = z.number().min(0).catch(0);

/** A configuration that cannot be used may say well enough where to log that. */
const schema = z.object({
  log_file_path: z.string().min(1),
  log_level: z.string().toLowerCase().catch("info"),
  log_file_max_size: number,
  log_file_max_age: number,
  log_file_max_count: number,
});

/** Undefined when the configuration names no file, or cannot be read at all. */
function settingsOf(stdin: string): LogSettings | undefined {
  // Most name none, and would be read in vain.
  if (!stdin.includes('"log_file_path"')) return undefined;
  const read = schema.safeParse(jsonOf(stdin));
  if (!read.success) return undefined;
  const { log_file_path: path, log_level: level, ...sizes } = read.data;
  return {
    path,
    level,
    tellsSuccess: !["warn", "warning", "error", "fatal", "panic"].includes(level),
    limits: {
      maxBytes: (sizes.log_file_max_size || defaults.megabytes) * 1024 * 1024,
      maxAgeMs: (sizes.log_file_max_age || defaults.days) * dayMs,
      maxFiles: sizes.log_file_max_count || defaults.files,
    },
  };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function splitOnce(pair: string): [string, string] {
  const at = pair.indexOf("=");
  return at < 0 ? [pair, ""] : [pair.slice(0, at), pair.slice(at + 1)];
}
