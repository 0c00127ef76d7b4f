import { type NamespacedName, splitName } from "../../api/names.ts";
import type { Attachment, AttachmentKey } from "../../api/objects.ts";
import { compareText } from "../../net/compare-text.ts";
import { MultiMap } from "./multi-map.ts";

/** What this node has wired, by interface, pod and namespace. */
export class AttachmentTable {
  readonly #byKey = new Map<AttachmentKey, Attachment>();
  readonly #byInterface = new MultiMap<string, AttachmentKey>();
  readonly #byPod = new MultiMap<NamespacedName, AttachmentKey>();
  readonly #byNamespace = new MultiMap<string, AttachmentKey>();

  /** Answers the attachments, as they were and are, whose endpoints and pods this may change. */
  set(key: AttachmentKey, attachment: Attachment | undefined): readonly Attachment[] {
    const before = this.#byKey.get(key);
    if (before !== undefined) {
      this.#byKey.delete(key);
      this.#byInterface.delete(before.hostInterface, key);
      this.#byPod.delete(before.pod, key);
      this.#byNamespace.delete(namespaceOf(before), key);
    }
    if (attachment !== undefined) {
      this.#byKey.set(key, attachment);
      this.#byInterface.add(attachment.hostInterface, key);
      this.#byPod.add(attachment.pod, key);
      this.#byNamespace.add(namespaceOf(attachment), key);
    }
    return [before, attachment].filter((one) => one !== undefined);
  }

  /** In the order of their keys. */
  onInterface(hostInterface: string): readonly Attachment[] {
    return this.#attachments(this.#byInterface.get(hostInterface));
  }

  /** In the order of their keys. */
  ofPod(pod: NamespacedName): readonly Attachment[] {
    return this.#attachments(this.#byPod.get(pod));
  }

  interfacesOfPod(pod: NamespacedName): readonly string[] {
    return this.ofPod(pod).map(({ hostInterface }) => hostInterface);
  }

  interfacesIn(namespace: string): readonly string[] {
    return this.#attachments(this.#byNamespace.get(namespace)).map(({ hostInterface }) => hostInterface);
  }

  #attachments(keys: Iterable<AttachmentKey>): readonly Attachment[] {
    return [...keys].sort(compareText).flatMap((key) => this.#byKey.get(key) ?? []);
  }
}

// --- internal ---

function namespaceOf(attachment: Attachment): string {
  return splitName(attachment.pod)[0];
}
