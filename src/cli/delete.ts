import type { Command } from "commander";
import type { Kind } from "../api/kinds.ts";
import type { KubeClient } from "../kube/client.ts";
import { addConnectionOption, type ConnectionOptions, withClient } from "./connection.ts";

interface DeleteOptions extends ConnectionOptions {
  readonly filename?: string;
  readonly namespace: string;
}

interface Target {
  readonly kind: Kind;
  readonly namespace: string | undefined;
  readonly name: string;
}

/** Adds `delete KIND NAME…` and `delete -f PATH`. An object that is not there fails after the others are deleted. */
export function addDelete(program: Command): void {
  const command = program
    .command("delete")
    .description("delete objects by name, or those of a file")
    .argument("[kind]", "a kind, in any of its names")
    .argument("[names...]", "the objects")
    .option("-f, --filename <path>", "a YAML or JSON file, a folder of them, or - for standard input")
    .option("-n, --namespace <namespace>", "namespace of the named objects", "default");
  addConnectionOption(command).action(
    async (kindName: string | undefined, names: readonly string[], options: DeleteOptions) => {
      const targets = await targetsOf(command, kindName, names, options);
      const { forEachObject } = await import("./each-object.ts");
      await withClient(options, (client) => forEachObject(targets, (target) => remove(client, target)));
    },
  );
}

// --- internal ---

async function targetsOf(
  command: Command,
  kindName: string | undefined,
  names: readonly string[],
  { filename, namespace }: DeleteOptions,
): Promise<readonly Target[]> {
  const { kindArgument, usageError } = await import("./kind-argument.ts");
  if (filename !== undefined) {
    if (kindName !== undefined) return usageError(command, "name a kind and objects, or a file, not both");
    return (await import("./object-files.ts")).readObjects(filename);
  }
  if (kindName === undefined || names.length === 0)
    return usageError(command, "name a kind and its objects, or a file with -f");
  const kind = kindArgument(command, kindName);
  return names.map((name) => ({ kind, namespace: kind.namespaced ? namespace : undefined, name }));
}

async function remove(client: KubeClient, { kind, namespace, name }: Target): Promise<void> {
  const { resourcePath } = await import("../api/kinds.ts");
  const { objectLabel } = await import("./kind-argument.ts");
  await client.request("DELETE", resourcePath(kind, { namespace, name }));
  process.stdout.write(`${objectLabel(kind, namespace, name)} deleted\n`);
}
