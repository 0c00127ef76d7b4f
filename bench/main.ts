/** `npm run --silent bench -- NAME [--quick] [--json]` */
import { parseArgs } from "node:util";
import { messageOf } from "../src/net/message-of.ts";
import type { Bench } from "./bench.ts";
import { formatLine, formatTable, reportOf } from "./report.ts";

const benches: Readonly<Record<string, () => Promise<Bench>>> = {
  ipam: async () => (await import("./ipam.ts")).ipamBench,
};

/** Prints to standard output: the report's line last, and before it the table unless `--json`. Progress goes to standard error. */
async function main(argv: readonly string[], signal: AbortSignal): Promise<void> {
  const { name, quick, json } = parse(argv);
  const load = Object.hasOwn(benches, name) ? benches[name] : undefined;
  if (load === undefined) throw new UsageError(`there is none of the name ${JSON.stringify(name)}`);
  const bench = await load();
  const progress = (line: string) => process.stderr.write(`${line}\n`);
  const report = reportOf(name, await bench.run({ quick, progress, signal }), bench.targets);
  if (!json) process.stdout.write(`${formatTable(report, bench.comparison)}\n`);
  process.stdout.write(`${formatLine(report)}\n`);
}

class UsageError extends Error {
  constructor(why: string) {
    super(`Cannot run a benchmark: ${why}. Name one of: ${Object.keys(benches).join(", ")}; with --quick or --json`);
  }
}

function parse(argv: readonly string[]) {
  try {
    const options = { quick: { type: "boolean" }, json: { type: "boolean" } } as const;
    const { values, positionals } = parseArgs({ args: [...argv], options, allowPositionals: true });
    const [name, ...more] = positionals;
    if (name === undefined || more.length > 0) throw new Error(`${positionals.length} names were given`);
    return { name, quick: values.quick ?? false, json: values.json ?? false };
  } catch (cause) {
    throw new UsageError(messageOf(cause));
  }
}

const ended = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) {
  process.once(name, () => ended.abort(new Error(`Cannot finish the benchmark: ${name} was received`)));
}
try {
  await main(process.argv.slice(2), ended.signal);
} catch (error) {
  process.stderr.write(`${error instanceof UsageError ? error.message : (error as Error).stack}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
