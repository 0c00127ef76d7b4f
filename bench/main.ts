/**
 * `npm run --silent bench -- NAME [--quick] [--json] [--profile FOLDER]`. Ends with 0 when everything was measured,
 * whatever the figures (`missed` names those below target), 1 when not, 2 when it does not understand, 128 + N when signal
 * N ended it.
 */
import { constants } from "node:os";
import { parseArgs } from "node:util";
import { messageOf } from "../src/net/message-of.ts";
import type { Bench } from "./bench.ts";
import { summariseProfiles } from "./profile-summary.ts";
import { formatLine, formatTable, reportOf } from "./report.ts";

const benches: Readonly<Record<string, () => Promise<Bench>>> = {
  bgp: async () => (await import("./bgp.ts")).bgpBench,
  cni: async () => (await import("./cni.ts")).cniBench,
  ipam: async () => (await import("./ipam.ts")).ipamBench,
  policy: async () => (await import("./policy.ts")).policyBench,
  programming: async () => (await import("./programming.ts")).programmingBench,
};

const usage = [
  `npm run --silent bench -- NAME [--quick] [--json]      NAME: ${Object.keys(benches).join(", ")}`,
  "  --quick  within about two minutes, at the price of accuracy",
  "  --json   only the one line of JSON that also ends the output without it",
  "  --profile FOLDER  leave CPU profiles there of the agent (cni) or the calculator (policy); the figures are of no use then",
].join("\n");

/** Prints to standard output: the report's line last, and before it the table unless `--json`. Progress goes to standard error. */
async function main(argv: readonly string[], signal: AbortSignal): Promise<void> {
  const { name, quick, json, help, profile } = parse(argv);
  if (help) {
    process.stdout.write(`${usage}\n`);
    return;
  }
  const load = Object.hasOwn(benches, name) ? benches[name] : undefined;
  if (load === undefined) throw new UsageError(`there is none of the name ${JSON.stringify(name)}`);
  const bench = await load();
  const progress = (line: string) => process.stderr.write(`${line}\n`);
  const report = reportOf(name, await bench.run({ quick, progress, signal, profileFolder: profile }), bench.targets);
  if (profile !== undefined) process.stderr.write(`${await summariseProfiles(profile)}\n`);
  if (!json) process.stdout.write(`${formatTable(report, bench.comparison)}\n`);
  process.stdout.write(`${formatLine(report)}\n`);
}

class UsageError extends Error {
  constructor(why: string) {
    super(
      `Cannot run a benchmark: ${why}. Name one of: ${Object.keys(benches).join(", ")}; with --quick, --json or --profile FOLDER`,
    );
  }
}

function parse(argv: readonly string[]) {
  try {
    const flag = { type: "boolean", default: false } as const;
    const options = { quick: flag, json: flag, help: { ...flag, short: "h" }, profile: { type: "string" } } as const;
    const { values, positionals } = parseArgs({ args: [...argv], options, allowPositionals: true });
    const [name, ...more] = positionals;
    if (values.help) return { name: "", ...values };
    if (name === undefined || more.length > 0) throw new Error(`${positionals.length} names were given`);
    return { name, ...values };
  } catch (cause) {
    throw new UsageError(messageOf(cause));
  }
}

const ended = new AbortController();
let endedBy: "SIGINT" | "SIGTERM" | undefined;
for (const name of ["SIGINT", "SIGTERM"] as const) {
  // Not once: a second one must not cut the cleaning up short.
  process.on(name, () => {
    if (endedBy === undefined) process.stderr.write(`${name}: ending, and cleaning up\n`);
    endedBy ??= name;
    ended.abort(new Error(`Cannot finish the benchmark: ${name} was received`));
  });
}
try {
  await main(process.argv.slice(2), ended.signal);
} catch (error) {
  // What an interrupt breaks on its way says nothing new.
  const isPlain = error instanceof UsageError || endedBy !== undefined;
  process.stderr.write(`${isPlain ? messageOf(ended.signal.reason ?? error) : (error as Error).stack}\n`);
  if (endedBy !== undefined) process.exitCode = 128 + constants.signals[endedBy];
  else process.exitCode = error instanceof UsageError ? 2 : 1;
}
