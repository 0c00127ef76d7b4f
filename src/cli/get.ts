import { type Command, Option } from "commander";
import type { Kind } from "../api/kinds.ts";
import type { KubeClient } from "../kube/client.ts";
import { type ApiObject, withoutManagedFields } from "./api-object.ts";
import { addConnectionOption, type ConnectionOptions, withClient } from "./connection.ts";

interface GetOptions extends ConnectionOptions {
  readonly namespace: string;
  readonly allNamespaces?: true;
  readonly output: "ps" | "wide" | "yaml" | "json";
}

/** Adds `get KIND [NAME…]`: objects as a table, YAML or JSON. A name that there is not fails after the others are shown. */
export function addGet(program: Command): void {
  const command = program
    .command("get")
    .description("show objects")
    .argument("<kind>", "a kind, in any of its names: ippool, ippools, ipp, pool …")
    .argument("[names...]", "objects; all of them when none is named")
    .option("-n, --namespace <namespace>", "namespace of the objects", "default")
    .option("-A, --all-namespaces", "objects of every namespace")
    .addOption(new Option("-o, --output <format>", "format").choices(["ps", "wide", "yaml", "json"]).default("ps"));
  addConnectionOption(command).action(async (kindName: string, names: readonly string[], options: GetOptions) => {
    const { kindArgument, usageError } = await import("./kind-argument.ts");
    const kind = kindArgument(command, kindName);
    if (options.allNamespaces && names.length > 0) usageError(command, "a name cannot be looked up in all namespaces");
    await withClient(options, (client) => get(client, kind, names, options));
  });
}

// --- internal ---

async function get(client: KubeClient, kind: Kind, names: readonly string[], options: GetOptions): Promise<void> {
  const { resourcePath } = await import("../api/kinds.ts");
  const { listAll } = await import("../kube/list-all.ts");
  const { forEachObject } = await import("./each-object.ts");
  const namespace = options.allNamespaces ? undefined : options.namespace;
  const objects: ApiObject[] = [];
  const failed = await forEachObject(names.length === 0 ? [undefined] : names, async (name) => {
    if (name === undefined) objects.push(...(await listAll<ApiObject>(client, resourcePath(kind, { namespace }))));
    else objects.push(await client.request<ApiObject>("GET", resourcePath(kind, { namespace, name })));
  }).catch((cause: unknown) => ({ cause }));
  if (objects.length > 0 || failed === undefined) {
    process.stdout.write(await format(kind, objects, { ...options, one: names.length === 1 }));
  }
  if (failed !== undefined) throw failed.cause;
}

async function format(kind: Kind, objects: readonly ApiObject[], options: GetOptions & { readonly one: boolean }) {
  const { output, one, allNamespaces = false } = options;
  if (output === "ps" || output === "wide") {
    const { formatObjects } = await import("./get-table.ts");
    return formatObjects(kind, objects, { wide: output === "wide", namespaces: allNamespaces && kind.namespaced });
  }
  const { apiVersionOf } = await import("../api/kinds.ts");
  const apiVersion = apiVersionOf(kind);
  const items = objects.map((object) => ({ apiVersion, kind: kind.kind, ...withoutManagedFields(object) }));
  const [first] = items;
  const value = one && first !== undefined ? first : { apiVersion, kind: `${kind.kind}List`, items };
  if (output === "yaml") return (await import("yaml")).stringify(value);
  return `${(await import("../kube/json.ts")).formatJson(value, 2)}\n`;
}
