import type { NodeName } from "../../api/names.ts";
import type { KindName, Snapshot } from "../../api/snapshot.ts";
import { announced, type ServiceAddress, serviceAddresses } from "../../bgp/plan/service-addresses.ts";
import type { NodePlan } from "../../felix/calc/plan.ts";
import type { Cidr } from "../../net/cidr.ts";
import type { Clock } from "../../net/clock.ts";
import type { Ip } from "../../net/ip.ts";
import type { Logger } from "../logger.ts";
import type { ProxiedServices } from "./proxied-services.ts";
import { isWired } from "./wired-endpoints.ts";

export interface ServiceDeliveryParts {
  readonly node: NodeName;
  readonly snapshot: Snapshot;
  /** Felix's endpoints as the kernel has acknowledged them; undefined before the first pass of this process. */
  readonly endpointsInForce: () => NodePlan["endpoints"] | undefined;
  /** As `readProxiedServices`. */
  readonly readProxied: () => Promise<ProxiedServices | undefined>;
  /** For how long the machine has been up. */
  readonly uptimeMs: () => number;
  /** `deliverable` has changed. */
  readonly onChange: () => void;
  readonly clock: Clock;
  readonly logger: Pick<Logger, "info" | "warn">;
}

const relevant: readonly KindName[] = [
  ...(["service", "endpointSlice", "bgpConfiguration", "bgpPeer", "node"] as const),
  ...(["attachment", "ipPool"] as const),
];

/**
 * Knows which of the Services' addresses that this node is to announce it can deliver to: an endpoint here is wired, Felix has its
 * rules in force, and kube-proxy leads the address to it. Of a Service that any node's endpoints serve, kube-proxy alone is asked.
 *
 *     Services, slices ─▶ serviceAddresses ──▶ asked for again and again until proven ─▶ deliverable
 *     Felix, kube-proxy's rules ─────────────┘
 *
 * What is proven stays so until its endpoint goes, turns unready or is closed: then it is gone at once, and nothing is asked.
 */
export class ServiceDelivery {
  readonly #parts: ServiceDeliveryParts;
  readonly #stopped = new AbortController();
  readonly #looked = Promise.withResolvers<void>();
  #wanted: readonly ServiceAddress[] = [];
  /** By address: the endpoints that it has been seen to lead to. */
  #proven: ReadonlyMap<Ip, ReadonlySet<Ip>> = new Map();
  #deliverable: ReadonlySet<Cidr> = new Set();
  #hasBegun = false;
  #isLooking = false;
  #failures = 0;
  #told: string | undefined;
  /** Ends the wait for the next look. */
  #waiting = new AbortController();

  constructor(parts: ServiceDeliveryParts) {
    this.#parts = parts;
  }

  /**
   * Looks for the first time. Resolves when it is known what can be delivered, after some seconds at most: BIRD may be announcing
   * it already, and must not be told otherwise for as long as nobody has looked.
   */
  async begin(): Promise<void> {
    this.#hasBegun = true;
    this.#refresh();
    await Promise.race([this.#looked.promise, this.#parts.clock.sleep(mostFirstLookMs, this.#stopped.signal)]).catch(
      () => undefined,
    );
  }

  /** For `BgpInputs`. */
  get deliverable(): ReadonlySet<Cidr> {
    return this.#deliverable;
  }

  /** What is not announced although an endpoint is ready, one sentence each. */
  get pending(): readonly string[] {
    return this.#unproven().map(({ address, service }) => {
      return `${address} of Service ${service} is not announced yet: its endpoint here is not wired, or kube-proxy does not lead to it`;
    });
  }

  /** To be told which kinds of the snapshot have changed, before BGP is. */
  touched(kinds: ReadonlySet<KindName>): void {
    if (this.#hasBegun && relevant.some((kind) => kinds.has(kind))) this.#refresh();
  }

  /** To be told whenever Felix has brought something into force. */
  podsInForce(): void {
    if (this.#wanted.length > 0) this.#refresh();
  }

  stop(): void {
    this.#stopped.abort();
    this.#waiting.abort();
  }

  /** Takes away at once what does not hold any more, and has somebody look for the rest. */
  #refresh(): void {
    const { snapshot, node } = this.#parts;
    this.#wanted = serviceAddresses(snapshot, node);
    const proven = new Map<Ip, Set<Ip>>();
    for (const wanted of this.#wanted) {
      const known = this.#proven.get(wanted.address);
      if (known === undefined) continue;
      // Which of the others' endpoints kube-proxy leads to is its own affair.
      const still = wanted.isLocal ? this.#wiredOf(wanted).filter((ip) => known.has(ip)) : known;
      proven.set(wanted.address, new Set([...(proven.get(wanted.address) ?? []), ...still]));
    }
    this.#take(proven);
    // To abort makes an error with its stack, also where nobody waits any more; and this is for every pod.
    if (!this.#waiting.signal.aborted) this.#waiting.abort();
    if (!this.#isLooking) void this.#look();
  }

  #take(proven: ReadonlyMap<Ip, ReadonlySet<Ip>>): void {
    this.#proven = proven;
    const served = this.#wanted.filter(({ address }) => (proven.get(address)?.size ?? 0) > 0);
    const deliverable = new Set(served.map(announced));
    const before = this.#deliverable;
    if (deliverable.symmetricDifference(before).size === 0) return;
    this.#deliverable = deliverable;
    this.#parts.onChange();
  }

  /** Asks until everything is proven; nobody waits for it. */
  async #look(): Promise<void> {
    this.#isLooking = true;
    const { signal } = this.#stopped;
    for (let pauseMs = firstPauseMs; !signal.aborted && this.#incomplete().length > 0; ) {
      const before = this.#incomplete().length;
      await this.#prove();
      if (this.#incomplete().length < before) pauseMs = firstPauseMs;
      if (this.#incomplete().length === 0) break;
      this.#waiting = new AbortController();
      const isWoken = await this.#parts.clock.sleep(pauseMs, this.#waiting.signal).then(
        () => false,
        () => true,
      );
      pauseMs = isWoken ? firstPauseMs : Math.min(pauseMs * 2, mostPauseMs);
    }
    this.#looked.resolve();
    this.#isLooking = false;
  }

  async #prove(): Promise<void> {
    const proxied = await this.#read();
    if (proxied === "not known") return;
    const proven = new Map(this.#proven);
    // What is wanted may have changed meanwhile: only what is wanted now is proven.
    for (const wanted of this.#wanted) {
      const targets = proxied === "not there" ? undefined : (proxied.get(wanted.address) ?? new Set<Ip>());
      const endpoints = wanted.isLocal ? this.#wiredOf(wanted) : wanted.endpoints;
      const isMet = (ip: Ip) => targets === undefined || (wanted.isLocal ? targets.has(ip) : targets.size > 0);
      proven.set(wanted.address, new Set([...(proven.get(wanted.address) ?? []), ...endpoints.filter(isMet)]));
    }
    this.#take(proven);
    this.#looked.resolve();
  }

  /** `not there`: kube-proxy is none that can be recognised, and what Felix has in force must do. */
  async #read(): Promise<ProxiedServices | "not there" | "not known"> {
    const { readProxied, uptimeMs, logger } = this.#parts;
    try {
      const proxied = await readProxied();
      this.#failures = 0;
      if (proxied !== undefined) return proxied;
      if (uptimeMs() < bootMs) return "not known";
      this.#tellOnce(
        "no kube-proxy is found on this node: a Service is announced once the rules of its pods here are in force",
      );
      return "not there";
    } catch (err) {
      if (++this.#failures < mostFailures) return "not known";
      if (this.#failures === mostFailures) logger.warn({ err }, "cannot read kube-proxy's rules");
      this.#tellOnce(
        "kube-proxy's rules cannot be read: a Service is announced once the rules of its pods here are in force",
      );
      return "not there";
    }
  }

  #tellOnce(sentence: string): void {
    if (this.#told === sentence) return;
    this.#told = sentence;
    this.#parts.logger.warn(sentence);
  }

  #wiredOf({ endpoints }: ServiceAddress): readonly Ip[] {
    const { snapshot, endpointsInForce } = this.#parts;
    return endpoints.filter((ip) => isWired(ip, snapshot, endpointsInForce()));
  }

  /** Those with nothing proven. */
  #unproven(): readonly ServiceAddress[] {
    return this.#wanted.filter(({ address }) => (this.#proven.get(address)?.size ?? 0) === 0);
  }

  /** Those of which an endpoint is not proven: it takes over without a gap when the others go. */
  #incomplete(): readonly ServiceAddress[] {
    return this.#wanted.filter(({ address, isLocal, endpoints }) => {
      const known = this.#proven.get(address);
      return isLocal ? endpoints.some((ip) => !known?.has(ip)) : (known?.size ?? 0) === 0;
    });
  }
}

// --- internal ---

const firstPauseMs = 100;
const mostPauseMs = 5_000;
const mostFirstLookMs = 10_000;
const mostFailures = 3;

/** At boot kube-proxy comes up beside the agent: for so long, that it is not there says nothing. */
const bootMs = 120_000;
