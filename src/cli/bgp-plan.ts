import { type Command, InvalidArgumentError } from "commander";
import { type Ip, isIp, parseIp } from "../net/ip.ts";
import { addConnectionOption, type ConnectionOptions, withClient } from "./connection.ts";
import { addOutputOption, type OutputOptions, print, warn } from "./ipam-command.ts";

interface BgpPlanOptions extends ConnectionOptions, OutputOptions {
  readonly filename?: string;
  readonly delete: readonly string[];
  readonly router: readonly (readonly Ip[])[];
}

/**
 * Adds `bgp plan -f PATH`: what objects would do to BGP's sessions and to who reaches whom, were they applied. Nothing is
 * changed. It ends with 2 when some node would no longer reach another, and names them; with 1 when it cannot be told.
 */
export function addBgpPlan(program: Command): void {
  const bgp =
    program.commands.find((one) => one.name() === "bgp") ?? program.command("bgp").description("see and plan BGP");
  const command = bgp
    .command("plan")
    .description("say what a change would do to BGP's sessions, and who would no longer reach whom")
    .option(
      "-f, --filename <path>",
      "the objects to apply: a YAML or JSON file, a folder of them, or - for standard input",
    )
    .option("--delete <kind/name>", "an object to delete; may be given several times", collect<string>(String), [])
    .option(
      "--router <addresses>",
      "addresses of one router, or of routers that give one another their routes: A,B; may be given several times",
      collect(addressList),
      [],
    );
  addOutputOption(addConnectionOption(command)).action(async (options: BgpPlanOptions) => {
    const { usageError } = await import("./kind-argument.ts");
    if (options.filename === undefined && options.delete.length === 0) {
      usageError(command, "name a file with -f, or objects with --delete");
    }
    await plan(options);
  });
}

// --- internal ---

async function plan(options: BgpPlanOptions): Promise<void> {
  const { readObjects } = await import("./object-files.ts");
  const { changedCluster } = await import("./bgp-plan-cluster.ts");
  const { planChange } = await import("../bgp/simulate/plan-change.ts");
  const { formatPlannedChange } = await import("./bgp-plan-text.ts");
  const objects = options.filename === undefined ? [] : await readObjects(options.filename);
  const { before, after, remarks } = await withClient(options, (client) =>
    changedCluster(client, { apply: objects, remove: options.delete }),
  );
  for (const remark of remarks) warn(remark);
  const routers = options.router.map((addresses) => ({ addresses, role: "passes on" }) as const);
  const change = planChange(before, after, routers);
  await print(options, change, formatPlannedChange);
  if (change.lost.length > 0) process.exitCode = 2;
}

function collect<T>(read: (text: string) => T): (text: string, before: readonly T[]) => readonly T[] {
  return (text, before) => [...before, read(text)];
}

function addressList(text: string): readonly Ip[] {
  return text.split(",").map((one) => {
    if (!isIp(one)) throw new InvalidArgumentError("It must be IPv4 or IPv6 addresses with commas between.");
    return parseIp(one);
  });
}
