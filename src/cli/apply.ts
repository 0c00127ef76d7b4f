import type { Command } from "commander";
import type { KubeClient } from "../kube/client.ts";
import { type ApiObject, withoutManagedFields } from "./api-object.ts";
import { addConnectionOption, type ConnectionOptions, withClient } from "./connection.ts";
import type { ObjectInFile } from "./object-files.ts";

interface ApplyOptions extends ConnectionOptions {
  readonly filename: string;
  readonly forceConflicts?: true;
}

/**
 * Adds `apply -f PATH`: makes objects as the file says, by server-side apply. Nothing is sent unless every object is
 * valid; what the server refuses fails after the others are applied.
 */
export function addApply(program: Command): void {
  const command = program
    .command("apply")
    .description("create or change objects as a file says")
    .requiredOption("-f, --filename <path>", "a YAML or JSON file, a folder of them, or - for standard input")
    .option("--force-conflicts", "take over fields that somebody else has set otherwise");
  addConnectionOption(command).action(async (options: ApplyOptions) => {
    const { forEachObject } = await import("./each-object.ts");
    const { readObjects, checkObject } = await import("./object-files.ts");
    const objects = await readObjects(options.filename);
    await forEachObject(objects, async (object) => checkObject(object));
    await withClient(options, (client) => forEachObject(objects, (object) => apply(client, object, options)));
  });
}

// --- internal ---

async function apply(client: KubeClient, object: ObjectInFile, options: ApplyOptions): Promise<void> {
  const { resourcePath } = await import("../api/kinds.ts");
  const { objectLabel } = await import("./kind-argument.ts");
  const { readIfThere } = await import("../kube/read-if-there.ts");
  const { kind, namespace, name } = object;
  const path = resourcePath(kind, { namespace, name });
  const before = await readIfThere<WithRevision>(client, path);
  const force = options.forceConflicts ? true : undefined;
  const query = { fieldManager: "margay", fieldValidation: "Strict", force };
  const after = await client.patch<WithRevision>(path, await withTierLabel(object), { type: "apply", query });
  process.stdout.write(`${objectLabel(kind, namespace, name)} ${doneOf(before, after)}\n`);
}

/** The object as it is sent: a policy of a tier says in a label which, as calicoctl does. */
async function withTierLabel({ kind, json }: ObjectInFile): Promise<ApiObject> {
  const { customGroup } = await import("../api/custom-kinds.ts");
  const { tierLabel } = await import("../api/label-names.ts");
  const object = withoutManagedFields(json);
  const isTiered = kind.group === customGroup && /^(Staged)?(Global)?NetworkPolicy$/.test(kind.kind);
  if (!isTiered) return object;
  const { tier = "default" } = (object["spec"] ?? {}) as { readonly tier?: unknown };
  const labels = { ...(object.metadata["labels"] as object | undefined), [tierLabel]: tier };
  return { ...object, metadata: { ...object.metadata, labels } };
}

interface WithRevision {
  readonly metadata: { readonly resourceVersion: string };
}

function doneOf(before: WithRevision | undefined, after: WithRevision): "created" | "unchanged" | "configured" {
  if (before === undefined) return "created";
  return before.metadata.resourceVersion === after.metadata.resourceVersion ? "unchanged" : "configured";
}
