import { type KubeClient, KubeError } from "../../../src/kube/client.ts";

/** An object as one would apply it. */
export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec?: unknown;
}

const fieldManager = "conformance";
const clusterWide = new Set([
  "Namespace",
  "ClusterNetworkPolicy",
  "GlobalNetworkPolicy",
  "GlobalNetworkSet",
  "HostEndpoint",
  "StagedGlobalNetworkPolicy",
  "Tier",
]);

/** Its path on the API server. Throws for an object of a namespace that names none. */
export function pathOf({ apiVersion, kind, metadata: { namespace, name } }: KubeObject): string {
  const root = apiVersion === "v1" ? "/api/v1" : `/apis/${apiVersion}`;
  const resource = `${kind.toLowerCase().replace(/y$/, "ie")}s`;
  if (clusterWide.has(kind)) return `${root}/${resource}/${name}`;
  if (namespace === undefined) throw new Error(`Cannot find ${kind} ${name}: it names no namespace`);
  return `${root}/namespaces/${namespace}/${resource}/${name}`;
}

/** Server-side apply: what was applied before and is not there now goes. Rejects as the client does. */
export async function applyObject(client: KubeClient, object: KubeObject): Promise<void> {
  await client.patch(pathOf(object), object, { type: "apply", query: { fieldManager, force: true } });
}

/** Removes it; one that is not there is no error. */
export async function removeObject(client: KubeClient, object: KubeObject): Promise<void> {
  try {
    await client.request("DELETE", pathOf(object), { body: { gracePeriodSeconds: 0 } });
  } catch (error) {
    if (!(error instanceof KubeError && error.status === 404)) throw error;
  }
}
