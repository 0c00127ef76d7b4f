import { type Kind, kindCalled, resourcePath } from "../api/kinds.ts";
import { systemNamespace } from "../api/names.ts";
import { emptySnapshot, type Snapshot } from "../api/snapshot.ts";
import type { Secret } from "../bgp/plan/bgp-inputs.ts";
import { readPassword } from "../bgp/plan/passwords.ts";
import type { ClusterState } from "../bgp/simulate/plan-change.ts";
import { type KubeClient, KubeError } from "../kube/client.ts";
import { feeds } from "../kube/fed-kinds.ts";
import { listAll } from "../kube/list-all.ts";
import { readIfThere } from "../kube/read-if-there.ts";
import { messageOf } from "../net/message-of.ts";
import { type ApiObject, withoutManagedFields } from "./api-object.ts";
import type { ObjectInFile } from "./object-files.ts";

/** Objects that would be applied, and those that would be deleted, as `KIND/NAME`. */
export interface AskedChange {
  readonly apply: readonly ObjectInFile[];
  readonly remove: readonly string[];
}

/** The cluster as it is, and as it would be. */
export interface ChangedCluster {
  readonly before: ClusterState;
  readonly after: ClusterState;
  /** What was left out or taken as given: sentences. */
  readonly remarks: readonly string[];
}

/**
 * Reads what BGP is planned from, and lets the API server say, as a dry run, what each object would become by
 * `margay apply --force-conflicts`. Rejects when something cannot be read or the server would refuse an object.
 */
export async function changedCluster(client: KubeClient, { apply, remove }: AskedChange): Promise<ChangedCluster> {
  const remarks: string[] = [];
  const before = await readSnapshot(client, remarks);
  const after = emptySnapshot();
  for (const kind of plannedKinds) copy(before, after, kind);
  for (const text of remove) removeObject(after, text);
  for (const object of apply) {
    const kind = plannedKindOf(object.kind);
    if (kind === undefined) remarks.push(`${object.kind.kind} ${object.name} is left out: it is not planned from`);
    else put(after, kind, await dryRun(client, object), remarks);
  }
  const secrets = await readSecrets(client, [before, after], remarks);
  return { before: { snapshot: before, secrets }, after: { snapshot: after, secrets }, remarks };
}

// --- internal ---

/** Services and pods bear on no node's reach of another's blocks. */
const plannedKinds = ["node", "ipPool", "ipamBlock", "bgpPeer", "bgpConfiguration", "bgpFilter"] as const;
type PlannedKind = (typeof plannedKinds)[number];

function plannedKindOf({ kind, group }: Kind): PlannedKind | undefined {
  return plannedKinds.find((one) => feeds[one].resource.kind === kind && feeds[one].resource.group === group);
}

function copy(from: Snapshot, to: Snapshot, kind: PlannedKind): void {
  const map = to[kind] as Map<string, unknown>;
  for (const [key, value] of from[kind]) map.set(key, value);
}

async function readSnapshot(client: KubeClient, remarks: string[]): Promise<Snapshot> {
  const snapshot = emptySnapshot();
  await Promise.all(
    plannedKinds.map(async (kind) => {
      const { resource, message } = feeds[kind];
      const options = message === undefined ? {} : { message };
      const objects = await listAll<ApiObject>(client, resourcePath(resource), options);
      for (const object of objects) put(snapshot, kind, object, remarks);
    }),
  );
  return snapshot;
}

/** As the agents take it: what cannot be read stands as the closed side of its kind. */
function put(snapshot: Snapshot, kind: PlannedKind, object: ApiObject, remarks: string[]): void {
  const feed = feeds[kind];
  const map = snapshot[kind] as Map<string, unknown>;
  try {
    map.set(object.metadata.name, feed.parse(object));
  } catch (error) {
    const reason = messageOf(error);
    remarks.push(reason);
    const rest = feed.unreadable(object as unknown as Parameters<typeof feed.unreadable>[0], reason);
    if (rest === undefined) map.delete(object.metadata.name);
    else map.set(object.metadata.name, rest);
  }
}

function removeObject(snapshot: Snapshot, text: string): void {
  const slash = text.indexOf("/");
  const [kindName, name] = [text.slice(0, slash), text.slice(slash + 1)];
  const known = slash < 0 ? undefined : kindCalled(kindName);
  const kind = known && plannedKindOf(known);
  if (kind === undefined) {
    const names = plannedKinds.map((one) => feeds[one].resource.singular).join(", ");
    throw new Error(`Cannot plan without ${JSON.stringify(text)}: it must be KIND/NAME, and KIND one of ${names}`);
  }
  const map = snapshot[kind] as Map<string, unknown>;
  if (!map.delete(name)) throw new Error(`Cannot plan without ${text}: there is none`);
}

/** The object as the API server would keep it. A new Node has the status that the file gives it: a kubelet would write one. */
async function dryRun(client: KubeClient, { kind, name, namespace, json }: ObjectInFile): Promise<ApiObject> {
  const query = { fieldManager: "margay", fieldValidation: "Strict", force: true, dryRun: "All" };
  const path = resourcePath(kind, { namespace, name });
  const answer = await client.patch<ApiObject & { readonly status?: { readonly addresses?: unknown } }>(
    path,
    withoutManagedFields(json),
    { type: "apply", query },
  );
  const { status } = json as { readonly status?: object };
  return kind.kind === "Node" && status !== undefined && answer.status?.addresses === undefined
    ? ({ ...answer, status } as ApiObject)
    : answer;
}

/** Every key of a Secret that some session would take its password from. */
async function readSecrets(
  client: KubeClient,
  snapshots: readonly Snapshot[],
  remarks: string[],
): Promise<ReadonlyMap<string, Secret>> {
  const secrets = new Map<string, Secret>();
  const fields = snapshots.flatMap(({ bgpPeer, bgpConfiguration }) => [
    ...[...bgpPeer.values()].map(({ spec }) => spec.password),
    bgpConfiguration.get("default")?.spec.nodeMeshPassword,
  ]);
  for (const { name = "", key = "" } of fields.flatMap((field) => field?.secretKeyRef ?? [])) {
    const id = `${name}/${key}`;
    if (!secrets.has(id)) secrets.set(id, await readSecret(client, name, key, remarks));
  }
  return secrets;
}

async function readSecret(client: KubeClient, name: string, key: string, remarks: string[]): Promise<Secret> {
  const path = `/api/v1/namespaces/${systemNamespace}/secrets/${encodeURIComponent(name)}`;
  try {
    const secret = await readIfThere<{ readonly data?: Readonly<Record<string, string>> }>(client, path);
    if (secret === undefined) return { missing: `there is no Secret ${systemNamespace}/${name}` };
    const value = secret.data?.[key];
    if (value === undefined) return { missing: `Secret ${systemNamespace}/${name} has no key ${key}` };
    return readPassword(Buffer.from(value, "base64"), name);
  } catch (error) {
    if (!(error instanceof KubeError) || error.status !== 403) throw error;
    remarks.push(`Secret ${systemNamespace}/${name} may not be read: it is taken as there, with a password of its own`);
    return { text: `${name}/${key}` };
  }
}
