import { z } from "zod";
import { apiVersionOf, type Kind, resourcePath } from "../api/kinds.ts";
import { parseWith } from "../api/parse-with.ts";
import { objectMetaSchema, type Resource } from "../api/resource.ts";
import type { RecordStore, Stored, Written } from "../ipam/store.ts";
import { type KubeClient, KubeError } from "./client.ts";
import { listAll } from "./list-all.ts";
import { readIfThere } from "./read-if-there.ts";
import { type RejectedReport, readable, reportingParser } from "./rejected-report.ts";

/** How one sort of record is kept as custom resources. */
export interface CustomResourceMapping<K, T> {
  readonly kind: Kind;
  readonly parse: (json: unknown) => T;
  readonly nameOf: (key: K) => string;
  /** Whether an object of that name stands for the key; two keys may have one name. */
  readonly isOf: (value: T, key: K) => boolean;
  /** Labels that every write sets, beside those that are there. */
  readonly labelsOf?: (value: T) => Readonly<Record<string, string>>;
}

type DeletableResource = Resource<{ readonly deleted: boolean }>;

/**
 * Records kept as cluster-scoped custom resources. A revision names the object's uid too, so that one that was deleted
 * and made again is never taken for the old one. Removal is one request, which the server refuses when the object has
 * changed. An object marked `deleted`, as upstream's clients do just before they delete it, counts as gone; its removal
 * is finished when its name is wanted again.
 */
export class CustomResourceStore<K, T extends DeletableResource> implements RecordStore<K, T> {
  readonly #client: KubeClient;
  readonly #mapping: CustomResourceMapping<K, T>;
  readonly #parse: (json: unknown) => T;

  /** `onRejected` is told of each revision of an object that cannot be read, once. */
  constructor(client: KubeClient, mapping: CustomResourceMapping<K, T>, onRejected: (report: RejectedReport) => void) {
    this.#client = client;
    this.#mapping = mapping;
    this.#parse = reportingParser(mapping.parse, onRejected);
  }

  /** Rejects with an InvalidObjectError when the object cannot be read, else as the client does. */
  async get(key: K): Promise<Stored<T> | undefined> {
    const stored = await this.#read(key);
    const isIt = stored !== undefined && !stored.value.spec.deleted && this.#mapping.isOf(stored.value, key);
    return isIt ? stored : undefined;
  }

  list(): Promise<readonly Stored<T>[]> {
    return this.listSelected(undefined);
  }

  /**
   * Those whose labels fit a Kubernetes label selector; all when there is none. Without what cannot be read: one bad
   * object must not stop a node that never needs it.
   */
  async listSelected(labelSelector: string | undefined): Promise<readonly Stored<T>[]> {
    const found = await listAll(this.#client, resourcePath(this.#mapping.kind), { query: { labelSelector } });
    return readable(found, (json) => this.#storedOf(json)).filter(({ value }) => !value.spec.deleted);
  }

  put(key: K, value: T, revision: string | undefined): Promise<Written<T>> {
    return revision === undefined ? this.#create(key, value) : this.#replace(key, value, revision);
  }

  async remove(key: K, revision: string): Promise<"removed" | "conflict"> {
    const body = { apiVersion: "v1", kind: "DeleteOptions", preconditions: formatPreconditions(revision) };
    try {
      await this.#client.request("DELETE", this.#path(key), { body });
      return "removed";
    } catch (error) {
      if (isRefusal(error, 404)) return "removed";
      if (isRefusal(error, 409)) return "conflict";
      throw error;
    }
  }

  async #create(key: K, value: T): Promise<Written<T>> {
    const body = this.#bodyOf(key, value, {});
    try {
      return this.#writtenOf(value, await this.#client.request("POST", this.#path(), { body, metadataOnly: true }));
    } catch (error) {
      if (!isRefusal(error, 409)) throw error;
    }
    const old = await this.#read(key);
    const finished = old?.value.spec.deleted === true && (await this.remove(key, old.revision)) === "removed";
    return finished ? this.#create(key, value) : "conflict";
  }

  async #replace(key: K, value: T, revision: string): Promise<Written<T>> {
    // Emptied, as the API server would keep account of who wrote which field, at a sixth of the write's time.
    const metadata = { ...formatPreconditions(revision), managedFields: [{}] };
    const body = this.#bodyOf(key, value, metadata);
    try {
      return this.#writtenOf(value, await this.#client.request("PUT", this.#path(key), { body, metadataOnly: true }));
    } catch (error) {
      if (isRefusal(error, 404) || isRefusal(error, 409)) return "conflict";
      throw error;
    }
  }

  async #read(key: K): Promise<Stored<T> | undefined> {
    const json = await readIfThere(this.#client, this.#path(key));
    return json === undefined ? undefined : this.#storedOf(json);
  }

  /** Of the object of a key, or of them all. */
  #path(key?: K): string {
    const { kind, nameOf } = this.#mapping;
    return resourcePath(kind, key === undefined ? {} : { name: nameOf(key) });
  }

  #bodyOf(key: K, value: T, more: Readonly<Record<string, unknown>>): unknown {
    const { kind, nameOf, labelsOf } = this.#mapping;
    const { labels, annotations, finalizers } = value.metadata;
    return {
      apiVersion: apiVersionOf(kind),
      kind: kind.kind,
      metadata: {
        name: nameOf(key),
        labels: { ...labels, ...labelsOf?.(value) },
        annotations,
        finalizers,
        ...more,
      },
      spec: value.spec,
    };
  }

  /** What the answer to a write of `value` says of it. A schema adds nothing to a value that was checked, and takes nothing away. */
  #writtenOf(value: T, answer: unknown): Stored<T> {
    if (!isMetadataOnly(answer)) return this.#storedOf(answer);
    const { metadata } = parseWith(this.#mapping.kind.kind, metadataOnly, answer);
    return storedOf({ ...value, metadata });
  }

  #storedOf(json: unknown): Stored<T> {
    return storedOf(this.#parse(json));
  }
}

/** An object that was read, with the revision that a write of it must name. */
export function storedOf<T extends Resource<unknown>>(value: T): Stored<T> {
  const { resourceVersion = "", uid = "" } = value.metadata;
  return { value, revision: `${resourceVersion} ${uid}` };
}

// --- internal ---

const metadataOnly = z.object({ metadata: objectMetaSchema });

function isMetadataOnly(answer: unknown): boolean {
  return (answer as { readonly kind?: unknown } | undefined)?.kind === "PartialObjectMetadata";
}

interface Preconditions {
  readonly resourceVersion: string;
  readonly uid: string;
}

function formatPreconditions(revision: string): Preconditions {
  const [resourceVersion = "", uid = ""] = revision.split(" ");
  return { resourceVersion, uid };
}

function isRefusal(error: unknown, status: number): boolean {
  return error instanceof KubeError && error.status === status;
}
