import { join } from "node:path";
import { z } from "zod";
import type { NamespacedName } from "../api/names.ts";
import { type Attachment, type AttachmentKey, attachmentKey } from "../api/objects.ts";
import type { Host } from "../host/host.ts";
import { parseIp } from "../net/ip.ts";
import type { Report } from "./dependencies.ts";

/** An attachment as its file holds it, with the name of the network it belongs to (part of its IPAM handle). */
export interface StoredAttachment extends Attachment {
  readonly network: string;
}

/**
 * What this node has wired, one synced file for each interface: all that survives a restart of the agent. The folder is
 * read once; from then on this object is its only writer.
 */
export class AttachmentFiles {
  /** Where the files are. Nobody else writes there. */
  readonly folder: string;
  readonly #host: Host;
  readonly #report: Report;
  #known: Promise<Map<AttachmentKey, StoredAttachment>> | undefined;

  constructor(host: Host, folder: string, report: Report) {
    this.#host = host;
    this.folder = folder;
    this.#report = report;
  }

  /** Every attachment that can be read. One that cannot is reported and left out; its file stays. */
  async list(): Promise<readonly StoredAttachment[]> {
    return [...(await this.#load()).values()];
  }

  async get(key: AttachmentKey): Promise<StoredAttachment | undefined> {
    return (await this.#load()).get(key);
  }

  /** On the disk when it resolves. */
  async write(attachment: StoredAttachment): Promise<void> {
    const known = await this.#load();
    const key = attachmentKey(attachment);
    await this.#host.replaceFile(this.#pathOf(key), `${JSON.stringify(attachment, undefined, 2)}\n`, 0o600);
    known.set(key, attachment);
  }

  async remove(key: AttachmentKey): Promise<void> {
    const known = await this.#load();
    await this.#host.removeFile(this.#pathOf(key));
    known.delete(key);
  }

  #load(): Promise<Map<AttachmentKey, StoredAttachment>> {
    this.#known ??= this.#readAll().catch((error: unknown) => {
      this.#known = undefined;
      throw error;
    });
    return this.#known;
  }

  async #readAll(): Promise<Map<AttachmentKey, StoredAttachment>> {
    const found = new Map<AttachmentKey, StoredAttachment>();
    for (const name of await this.#host.listFolder(this.folder)) {
      const attachment = name.endsWith(".json") ? await this.#read(join(this.folder, name)) : undefined;
      if (attachment !== undefined) found.set(attachmentKey(attachment), attachment);
    }
    return found;
  }

  async #read(path: string): Promise<StoredAttachment | undefined> {
    const text = await this.#host.readFile(path);
    if (text === undefined) return undefined;
    try {
      return schema.parse(JSON.parse(text));
    } catch (error) {
      this.#report("error", `Cannot read the attachment in ${path}: it is not one; the pod's next DEL removes it`, {
        error,
      });
      return undefined;
    }
  }

  /** No container ID holds a colon, and an interface name holds no slash. */
  #pathOf(key: AttachmentKey): string {
    return join(this.folder, `${key.replace("/", ":")}.json`);
  }
}

// --- internal ---

const schema = z.object({
  network: z.string(),
  containerId: z.string(),
  interfaceName: z.string(),
  hostInterface: z.string(),
  netns: z.string(),
  pod: z.string().transform((name) => name as NamespacedName),
  // Absent in JSON when the runtime gave none; the field itself is always there.
  podUid: z
    .string()
    .optional()
    .transform((uid) => uid as string | undefined),
  addresses: z.array(z.string().transform((ip) => parseIp(ip))),
  mtu: z.number(),
});
