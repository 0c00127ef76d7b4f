import { join } from "node:path";
import type { Host } from "../host/host.ts";
import { inParallel } from "../net/in-parallel.ts";
import { messageOf } from "../net/message-of.ts";
import { CniError, cniCode } from "./cni-error.ts";
import type { Report } from "./dependencies.ts";
import type { Answer } from "./plugin.ts";
import { parseFrame, type RawRequest } from "./request.ts";

export interface SpoolOptions {
  readonly host: Host;
  /** Where the shim leaves requests, one file each with the body of a frame. Names with a leading dot are half-written. */
  readonly folder: string;
  readonly report: Report;
  readonly answer: (request: RawRequest) => Promise<Answer>;
}

/** The DELs that found no agent. */
export class Spool {
  readonly #options: SpoolOptions;
  #running: Promise<number> | undefined;
  #again = false;

  constructor(options: SpoolOptions) {
    this.#options = options;
  }

  /**
   * Carries out every request there is, several at once, and answers how many are left. A file goes once its request
   * succeeded, or when it is no DEL that ever could; one that failed, or that cannot be read or removed, stays for the next
   * drain and has been reported. One drain runs at a time; asked for during one, it looks at the folder once more.
   * Rejects only when the folder cannot be read.
   */
  drain(): Promise<number> {
    this.#again = true;
    this.#running ??= this.#drain();
    return this.#running;
  }

  async #drain(): Promise<number> {
    const { host, folder } = this.#options;
    let left = 0;
    try {
      while (this.#again) {
        this.#again = false;
        left = 0;
        const names = (await host.listFolder(folder)).filter((name) => !name.startsWith("."));
        await inParallel(names, atOnce, async (name) => {
          if (!(await this.#settle(join(folder, name)))) left++;
        });
      }
      return left;
    } finally {
      this.#running = undefined;
    }
  }

  /** Whether the file is gone. Never rejects: one entry must not hold up the others. */
  async #settle(path: string): Promise<boolean> {
    try {
      return await this.#carryOut(path);
    } catch (error) {
      this.#options.report("error", `Cannot finish with the request in ${path}: ${messageOf(error)}`, { error });
      return false;
    }
  }

  async #carryOut(path: string): Promise<boolean> {
    const { host, report, answer } = this.#options;
    const body = await host.readFile(path);
    if (body === undefined) return true;
    const request = requestOf(body);
    if (request === undefined) {
      report("error", `Cannot carry out the request in ${path}: it is not a DEL; the file is removed`);
    } else {
      const { exitCode, stdout } = await answer(request);
      if (exitCode !== 0 && !isHopeless(stdout)) return false;
    }
    await host.removeFile(path);
    return true;
  }
}

// --- internal ---

/** When the API server does not answer, each waits some seconds for it, and meanwhile the ADDs wait for the agent, as long as they can. */
const atOnce = 16;

function requestOf(body: string): RawRequest | undefined {
  try {
    const request = parseFrame(body);
    return request.environment.get("CNI_COMMAND") === "DEL" ? request : undefined;
  } catch (error) {
    if (error instanceof CniError) return undefined;
    throw error;
  }
}

/** The request itself is at fault, so that trying again would fail again. The failure has been reported. */
function isHopeless(stdout: string): boolean {
  const { code } = JSON.parse(stdout) as { readonly code: number };
  const faults: readonly number[] = [
    cniCode.incompatibleVersion,
    cniCode.invalidEnvironment,
    cniCode.invalidJson,
    cniCode.invalidConfiguration,
  ];
  return faults.includes(code);
}
