import type { Command } from "commander";
import type { HeldRelease } from "../api/held-release.ts";
import type { ConnectionOptions } from "./connection.ts";
import {
  addIpamCommand,
  addOutputOption,
  type IpamParts,
  type OutputOptions,
  print,
  withIpam,
} from "./ipam-command.ts";

interface ApproveOptions extends ConnectionOptions, OutputOptions {
  readonly id?: string;
  readonly dryRun?: true;
  readonly yes?: true;
}

/** What `ipam approve -o json` prints. */
interface Approval {
  readonly held: HeldRelease | null;
  /** Whether it is approved now. */
  readonly approved: boolean;
}

/**
 * Adds `ipam approve`: lets garbage collection free what it holds back because it is so much at once. The approval names
 * exactly the addresses that were shown: when others are held by then, it counts for nothing.
 */
export function addIpamApprove(program: Command): void {
  const command = addIpamCommand(
    program,
    "approve",
    "show what garbage collection holds back because it is too much at once, and let it be freed",
  )
    .option("--id <id>", "approve only if this is what is held, as an earlier look or the event named it")
    .option("--dry-run", "only show it")
    .option("-y, --yes", "approve without being asked");
  addOutputOption(command).action(async (options: ApproveOptions) => {
    await withIpam(options, ({ client }) => approve(client, options));
  });
}

// --- internal ---

const mostShown = 50;

async function approve(client: IpamParts["client"], options: ApproveOptions): Promise<void> {
  const { parseHeld } = await import("../api/held-release.ts");
  const { kubeControllersConfigurationKind, resourcePath } = await import("../api/kinds.ts");
  const { readIfThere } = await import("../kube/read-if-there.ts");
  const path = resourcePath(kubeControllersConfigurationKind, { name: "default" });
  const json = await readIfThere(client, path);
  const { release, approved } = json === undefined ? { release: undefined, approved: undefined } : parseHeld(json);
  if (release === undefined) {
    await print<Approval>(options, { held: null, approved: false }, () => "Nothing is held back.\n");
    return;
  }
  if (options.id !== undefined && options.id !== release.id) {
    throw new Error(
      `Cannot approve ${options.id}: what is held back now is ${release.id}, ${countText(release)}. Look at it with margay ipam approve --dry-run`,
    );
  }
  const { systemClock } = await import("../host/clock.ts");
  const text = await formatHeld(release, systemClock.now());
  if (options.output === "text") process.stdout.write(text);
  if (!options.dryRun && approved !== release.id) {
    await askFirst(options, release);
    await writeApproval(client, path, release.id);
  }
  const done = approved === release.id || !options.dryRun;
  await print<Approval>(options, { held: release, approved: done }, () =>
    done ? doneText(release) : notDoneText(release),
  );
}

function countText({ count }: HeldRelease): string {
  return `${count} address${count === 1 ? "" : "es"}`;
}

function doneText(held: HeldRelease): string {
  return `Approved ${held.id}: garbage collection may free exactly ${countText(held)} that look leaked still.\n`;
}

function notDoneText({ id }: HeldRelease): string {
  return `Not approved. To let them be freed: margay ipam approve --id ${id}\n`;
}

/** A person at a terminal is asked; a script must say which, or that it wants whatever is there. */
async function askFirst({ id, yes, output }: ApproveOptions, held: HeldRelease): Promise<void> {
  if (id !== undefined || yes) return;
  if (!process.stdin.isTTY || output === "json") {
    throw new Error(
      `Cannot approve ${countText(held)} unasked: name what you looked at with --id ${held.id}, or take what is there with --yes`,
    );
  }
  const { createInterface } = await import("node:readline/promises");
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await lines.question(`Free these ${countText(held)}? [y/N] `);
  lines.close();
  if (!/^y(es)?$/i.test(answer.trim())) throw new Error("Cannot go on: it was not confirmed. Nothing was changed");
}

async function writeApproval(client: IpamParts["client"], path: string, id: string): Promise<void> {
  const { approvalAnnotation } = await import("../api/held-release.ts");
  const body = { metadata: { annotations: { [approvalAnnotation]: id } } };
  await client.patch(path, body, { type: "merge", query: { fieldManager: "margay" } });
}

/** The addresses held back, the first of them as a table. */
async function formatHeld(held: HeldRelease, nowMs: number): Promise<string> {
  const { formatBoxedTable } = await import("./boxed-table.ts");
  const { formatAge } = await import("./age.ts");
  const { msOfTimestamp } = await import("../ipam/timestamp.ts");
  const since = msOfTimestamp(held.since);
  const age = since === undefined ? "" : ` (${formatAge(nowMs - since)} ago)`;
  const shown = held.addresses.slice(0, mostShown);
  const rows = shown.map(({ ip, pod = "", node = "", handle = "", reason }) => [ip, pod, node, handle, reason]);
  const headers = ["IP", "POD", "NODE", "HANDLE", "REASON"].map((header) => ({ header }));
  const rest = held.count - shown.length;
  const more = rest > 0 ? `and ${rest} more\n` : "";
  return `Held back since ${held.since}${age}: ${countText(held)}, id ${held.id}\n${formatBoxedTable(headers, rows)}${more}`;
}
