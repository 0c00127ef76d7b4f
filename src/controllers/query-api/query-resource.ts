/** What every resource of query.margay.io/v1 has: one object for each node, of that moment, and stored nowhere. */
import type { NodeName } from "../../api/names.ts";
import type { Agents } from "../agents.ts";

/** The group that the API server hands on to us. */
export const queryGroup = "query.margay.io";
export const queryVersion = "v1";

/** One resource, cluster-scoped; an object has the name of its node. */
export interface QueryResource<Answer = unknown> {
  /** Plural, as in paths and in RBAC. */
  readonly name: string;
  readonly kind: string;
  /** Of the table that `kubectl get` shows. */
  readonly columns: readonly string[];
  /** Rejects with a StatusError when `query`, the parameters of the URL, is not understood, else as `Agents`. */
  readonly ask: (agents: Agents, node: NodeName, asked: Asked) => Promise<Answer>;
  /** The object's own fields. */
  readonly fieldsOf: (answer: Answer) => object;
  readonly rowsOf: (answer: Answer) => readonly (readonly (string | number)[])[];
}

/** What is asked, and until when an answer is wanted. */
interface Asked {
  readonly query: unknown;
  readonly signal: AbortSignal;
}

/** The object as it goes out. */
export function objectOf<Answer>({ kind, fieldsOf }: QueryResource<Answer>, node: NodeName, answer: Answer) {
  return { kind, apiVersion: groupVersion, metadata: { name: node }, ...fieldsOf(answer) };
}

/** The same as rows for people (metav1.Table). */
export function tableOf<Answer>({ columns, rowsOf }: QueryResource<Answer>, node: NodeName, answer: Answer) {
  const object = { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata: { name: node } };
  return {
    kind: "Table",
    apiVersion: "meta.k8s.io/v1",
    metadata: {},
    columnDefinitions: columns.map((name) => ({ name, type: "string", format: "", description: "", priority: 0 })),
    rows: rowsOf(answer).map((cells) => ({ cells, object })),
  };
}

/** What clients learn the resources from: paths and what stands there. */
export function discoveryOf(resources: readonly QueryResource[]): Readonly<Record<string, object>> {
  return {
    "/apis": { kind: "APIGroupList", apiVersion: "v1", groups: [groupOf()] },
    [`/apis/${queryGroup}`]: { kind: "APIGroup", apiVersion: "v1", ...groupOf() },
    [`/apis/${groupVersion}`]: {
      kind: "APIResourceList",
      apiVersion: "v1",
      groupVersion,
      resources: resources.map(({ name, kind }) => ({
        ...{ name, singularName: kind.toLowerCase(), namespaced: false, kind, verbs: ["get"] },
      })),
    },
  };
}

// --- internal ---

const groupVersion = `${queryGroup}/${queryVersion}`;

function groupOf() {
  const version = { groupVersion, version: queryVersion };
  return { name: queryGroup, versions: [version], preferredVersion: version };
}
