import { join } from "node:path";
import { CommandError, type Host } from "../../host/host.ts";
import type { StatusQuestion } from "./conf-list.ts";

/**
 * Asks an installed executable whether it can add pods (CNI specification 1.1.0, STATUS): undefined when it can, else why
 * not, in its own words.
 */
export async function askStatus(
  host: Pick<Host, "run">,
  folder: string,
  { program, stdin }: StatusQuestion,
): Promise<string | undefined> {
  try {
    const env = { CNI_COMMAND: "STATUS", CNI_PATH: folder };
    await host.run([join(folder, program)], { env, stdin, timeoutMs: 5_000 });
    return undefined;
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return reasonIn(error.stdout) ?? error.message;
  }
}

// --- internal ---

function reasonIn(answer: string): string | undefined {
  try {
    const { msg, details } = JSON.parse(answer) as { readonly msg?: unknown; readonly details?: unknown };
    return [msg, details].filter((one) => typeof one === "string" && one !== "").join(": ") || undefined;
  } catch {
    // A program that was stopped, or is none of ours, answers otherwise.
    return undefined;
  }
}
