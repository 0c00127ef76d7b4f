import { podAnnotations } from "../api/kubernetes/pod.ts";
import type { NamespacedName, NodeName } from "../api/names.ts";
import type { Attachment, Pod } from "../api/objects.ts";
import { isPrimary } from "../cni/attachments.ts";
import type { KubeClient } from "../kube/client.ts";
import { annotatePod, emptyPodAddresses } from "../kube/pod-status.ts";
import { hostCidr } from "../net/cidr.ts";
import type { Clock } from "../net/clock.ts";
import { messageOf } from "../net/message-of.ts";
import { KeyedWork } from "../reconcile/keyed-work.ts";
import type { Logger } from "./logger.ts";
import { type QuietParts, quietWorkAtOnce, untilQuiet } from "./until-quiet.ts";

/** How many milliseconds the pod's ADD waited until the kernel held its policy. */
export const policyReadyAnnotation = "cni.margay.io/policyReadyMs";

export interface PodAnnotationsParts extends QuietParts {
  readonly node: NodeName;
  readonly client: KubeClient;
  /** The watch cache. */
  readonly pods: ReadonlyMap<NamespacedName, Pod>;
  readonly clock: Clock;
  readonly logger: Pick<Logger, "warn" | "info">;
}

/** What this node has wired. */
export interface WiredHere {
  readonly attachments: readonly Attachment[];
  /** Containers of which it cannot be told whether they are wired. */
  readonly doubtful: ReadonlySet<string>;
}

/**
 * Writes what was wired for a pod into the Pod's annotations, by which other nodes and other programs know its addresses
 * before the kubelet has reported them. Nobody waits for it. Each ADD and each DEL comes to one request, tried again until
 * the API server takes it, or a later ADD or DEL of the pod has made it pointless. Further interfaces of a pod are not told of.
 *
 * A pod is known by its UID. That of a static pod is not the API server's: its annotations go to the mirror pod that is here
 * now, and to one that is made anew later only when the agent starts again. So for a runtime that gives no UID.
 */
export class PodAnnotations {
  readonly #parts: PodAnnotationsParts;
  readonly #work: KeyedWork<NamespacedName, Wish>;
  readonly #begun = Promise.withResolvers<void>();
  readonly #stopped = new AbortController();
  #failures = 0;

  constructor(parts: PodAnnotationsParts) {
    this.#parts = parts;
    const { clock } = parts;
    this.#work = new KeyedWork({
      work: (pod, wish) => this.#write(pod, wish),
      limit: quietWorkAtOnce,
      sleep: (ms) => clock.sleep(ms, this.#stopped.signal),
      random: () => clock.random(),
      ...{ firstRetryMs: 500, maxRetryMs: 60_000 },
      onFailure: (pod, error) => this.#tell(pod, error),
    });
  }

  /** The pod has these addresses now. Returns at once. */
  announce(attachment: Attachment, policyMs: number): void {
    if (!isPrimary(attachment)) return;
    this.#put(attachment.pod, { does: "announce", attachment, policyMs });
  }

  /** It has them no more. Returns at once. */
  retract(attachment: Attachment): void {
    if (!isPrimary(attachment)) return;
    const { containerId, podUid } = attachment;
    this.#put(attachment.pod, { does: "retract", containerId, podUid });
  }

  /**
   * To be called once, when the watch cache is whole: nothing is written before. Then it makes good what an earlier agent
   * could not write any more, unless what is wired here is not known. Pods whose annotations are right are not written.
   */
  begin(wired: WiredHere | undefined): void {
    if (wired !== undefined) {
      this.#announceAgain(wired);
      this.#retractAgain(wired);
    }
    this.#begun.resolve();
  }

  #put(pod: NamespacedName, wish: Announcement | Retraction): void {
    this.#work.put(pod, { ...wish, at: this.#parts.clock.monotonicNow() });
  }

  #announceAgain({ attachments }: WiredHere): void {
    for (const attachment of attachments) {
      if (!isPrimary(attachment) || this.#work.has(attachment.pod)) continue;
      this.#put(attachment.pod, { does: "announce", attachment, policyMs: undefined });
    }
  }

  #retractAgain({ attachments, doubtful }: WiredHere): void {
    const containers = new Set([...doubtful, ...attachments.map(({ containerId }) => containerId)]);
    for (const [pod, { node, uid, annotations }] of this.#parts.pods) {
      const containerId = annotations[podAnnotations.containerId];
      // Only what an agent has written, not upstream's plugin, is ours to take back.
      const isOurs = node === this.#parts.node && annotations[policyReadyAnnotation] !== undefined;
      if (!isOurs || !annotations[podAnnotations.podIp] || containerId === undefined) continue;
      if (containers.has(containerId) || this.#work.has(pod)) continue;
      this.#put(pod, { does: "retract", containerId, podUid: uid });
    }
  }

  /** Writes nothing any more. What has not been written is left to the next start. */
  async stop(): Promise<void> {
    this.#stopped.abort(new Error("Cannot write a pod's annotations: the agent is ending"));
    this.#begun.resolve();
    await this.#work.stop();
  }

  async #write(pod: NamespacedName, wish: Wish): Promise<void> {
    await this.#begun.promise;
    await untilQuiet(wish.at, this.#parts, this.#stopped.signal);
    this.#stopped.signal.throwIfAborted();
    if (wish.does === "announce") await this.#announce(pod, wish);
    else await this.#retract(pod, wish);
    if (this.#failures > 0) this.#parts.logger.info({ failures: this.#failures }, "writes pods' annotations again");
    this.#failures = 0;
  }

  async #announce(pod: NamespacedName, { attachment, policyMs }: Announcement): Promise<void> {
    const { client, pods, node } = this.#parts;
    const cached = pods.get(pod);
    const uid = attachment.podUid ?? cached?.uid;
    if (uid === undefined) throw new Error(`Cannot annotate pod ${pod}: it is not in the watch cache`);
    // An attachment without a UID may have outlived its pod, whose name one on another node has now.
    if (cached !== undefined && (cached.uid !== uid || (cached.node ?? node) !== node)) return;
    const addresses = annotationsOf(attachment);
    // Without the time it is told again after a start, when the cache holds all that was ever written.
    if (policyMs === undefined && isAnnotated(cached, addresses)) return;
    const annotations = { ...addresses, ...timeOf(policyMs, attachment, cached) };
    const { signal } = this.#stopped;
    const outcome = await annotatePod(client, { pod, uid }, annotations, { signal });
    // The cache will tell, or the next attempt succeeds.
    if (outcome === "another") throw new Error(`Cannot annotate pod ${pod}: the API server has another of its name`);
  }

  async #retract(pod: NamespacedName, { containerId, podUid }: Retraction): Promise<void> {
    const cached = this.#parts.pods.get(pod);
    const uid = podUid ?? cached?.uid;
    // Gone, or made anew: what it says is not of this container.
    if (uid === undefined || (cached !== undefined && cached.uid !== uid)) return;
    const { signal } = this.#stopped;
    await emptyPodAddresses(this.#parts.client, { pod, uid, containerId }, { signal });
  }

  #tell(pod: NamespacedName, error: unknown): void {
    // Once, then now and then: when the API server is away it fails for every pod.
    if (this.#failures++ % 100 > 0) return;
    const message = `cannot write a pod's annotations: trying again (${messageOf(error)})`;
    this.#parts.logger.warn({ pod, err: error }, message);
  }
}

// --- internal ---

/** `policyMs` is undefined when an earlier agent has made the attachment. */
interface Announcement {
  readonly does: "announce";
  readonly attachment: Attachment;
  readonly policyMs: number | undefined;
}

interface Retraction {
  readonly does: "retract";
  readonly containerId: string;
  readonly podUid: string | undefined;
}

/** `at` is when it was wished, by the monotonic clock. */
type Wish = (Announcement | Retraction) & { readonly at: number };

function annotationsOf({ containerId, addresses }: Attachment): Readonly<Record<string, string>> {
  const cidrs = addresses.map((ip) => hostCidr(ip));
  return {
    [podAnnotations.containerId]: containerId,
    [podAnnotations.podIp]: cidrs[0] ?? "",
    [podAnnotations.podIps]: cidrs.join(","),
  };
}

/** A time that is not known any more: that of an earlier container must not stand in its place. */
function timeOf(policyMs: number | undefined, { containerId }: Attachment, pod: Pod | undefined) {
  if (policyMs !== undefined) return { [policyReadyAnnotation]: String(Math.round(policyMs)) };
  return pod?.annotations[podAnnotations.containerId] === containerId ? {} : { [policyReadyAnnotation]: null };
}

function isAnnotated(pod: Pod | undefined, wanted: Readonly<Record<string, string>>): boolean {
  return pod !== undefined && Object.entries(wanted).every(([name, value]) => pod.annotations[name] === value);
}
