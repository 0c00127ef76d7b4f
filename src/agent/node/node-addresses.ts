import type { NodeName } from "../../api/names.ts";
import { addressAnnotations } from "../../api/node-addresses.ts";
import type { Node } from "../../api/objects.ts";
import type { Netlink } from "../../host/netlink/netlink.ts";
import type { Clock } from "../../net/clock.ts";
import type { Ip, IpVersion } from "../../net/ip.ts";
import type { Logger } from "../logger.ts";
import type { AddressSettings, AddressWish } from "./address-settings.ts";
import { type Candidate, type DetectionMethod, detectAddress, hostOnly } from "./detection-method.ts";
import { sourceTo } from "./source-address.ts";

export interface NodeAddressesParts {
  readonly node: NodeName;
  readonly nodes: ReadonlyMap<NodeName, Node>;
  readonly settings: AddressSettings;
  /** The routing netlink of the node's own namespace, to be closed. */
  readonly openNetlink: () => Netlink;
  /** The address that a Node's BGP speaks from. */
  readonly addressOf: (node: Node, version: IpVersion) => Ip | undefined;
  /** Told of each annotation once at the start, and whenever it changes; undefined: it is to go. */
  readonly annotate: (name: string, value: string | undefined, how: "kept" | "once") => void;
  readonly clock: Clock;
  readonly logger: Pick<Logger, "info" | "warn" | "error">;
}

/**
 * Finds the addresses that this node's BGP speaks from, at the start and then every `pollMs`, and has them written to the Node.
 * While none is found, or another Node has it, what is written stays: a node never loses its routes to a bad moment.
 */
export class NodeAddresses {
  readonly #parts: NodeAddressesParts;
  readonly #stopped = new AbortController();
  readonly #faults = new Map<IpVersion, string>();

  constructor(parts: NodeAddressesParts) {
    this.#parts = parts;
  }

  /** Resolves once both versions have been looked at; the Node must be known by then. Looks again until stopped. */
  async start(): Promise<void> {
    const { settings, annotate, logger } = this.#parts;
    for (const problem of settings.problems) logger.warn(problem);
    if (settings.asNumber !== undefined) annotate("projectcalico.org/ASNumber", `${settings.asNumber}`, "kept");
    await this.#look();
    const polls = Object.values(settings.wishes).some((wish) => wish.kind === "detect" && !wish.keepsWhatIsThere);
    if (polls && settings.pollMs > 0) void this.#poll();
  }

  /** Why there is no address of a version, or not the one that there should be. */
  get faults(): readonly string[] {
    return [...this.#faults.values()];
  }

  stop(): void {
    this.#stopped.abort();
  }

  async #poll(): Promise<void> {
    const { clock, settings } = this.#parts;
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      await clock.sleep(settings.pollMs, signal).catch(() => undefined);
      if (!signal.aborted) await this.#look();
    }
  }

  async #look(): Promise<void> {
    const { settings, logger, annotate } = this.#parts;
    const found: Parameters<typeof annotate>[] = [];
    for (const version of [4, 6] as const) {
      const fault = await this.#lookAt(version, settings.wishes[version], (...one) => found.push(one)).catch(
        (error: unknown) => `Cannot read the addresses of this machine: ${(error as Error).message}`,
      );
      // A kept fault is told once.
      if (fault !== undefined && fault !== this.#faults.get(version)) logger.error({ version }, fault);
      if (fault === undefined) this.#faults.delete(version);
      else this.#faults.set(version, fault);
    }
    // All at once: while a Node says an address of one family alone, it has none in the other, and every neighbour drops it.
    for (const one of found) annotate(...one);
  }

  /** The sentence that says why the address is not as it should be. */
  async #lookAt(
    version: IpVersion,
    wish: AddressWish,
    annotate: NodeAddressesParts["annotate"],
  ): Promise<string | undefined> {
    const { node, nodes, settings } = this.#parts;
    const self = nodes.get(node);
    const annotation = addressAnnotations[version];
    if (self === undefined) return undefined;
    if (wish.kind === "none") {
      annotate(annotation, undefined, "kept");
      return undefined;
    }
    if (wish.kind === "detect" && wish.keepsWhatIsThere && self.annotations[annotation] !== undefined) return undefined;
    const found = await this.#find(version, wish, self);
    // Nobody has asked for it in so many words, and the node has the other.
    const isSaid = wish.kind !== "detect" || !wish.keepsWhatIsThere;
    if (found === undefined && !isSaid && (version === 6 || this.#hasAddress(self, 6))) return undefined;
    if (found === undefined) {
      return `Cannot find an IPv${version} address for this node's BGP by ${methodText(wish)}: see IP_AUTODETECTION_METHOD`;
    }
    const holder = settings.checksConflicts ? this.#holderOf(found.ip, version) : undefined;
    if (holder !== undefined) {
      return `Cannot use ${found.ip} for this node's BGP: node ${holder} has it; give each node an address of its own`;
    }
    const keepsWhatIsThere = wish.kind === "detect" && wish.keepsWhatIsThere;
    annotate(annotation, `${found.ip}/${found.prefixLength}`, keepsWhatIsThere ? "once" : "kept");
    return undefined;
  }

  async #find(
    version: IpVersion,
    wish: Extract<AddressWish, { kind: "fixed" | "detect" }>,
    self: Node,
  ): Promise<Candidate | undefined> {
    const candidates = await this.#candidates();
    if (wish.kind === "fixed") {
      const { ip, prefixLength } = wish;
      const there = candidates.find((one) => one.ip === ip) ?? hostOnly(ip);
      return { ...there, prefixLength: prefixLength ?? there.prefixLength };
    }
    const facts = { candidates, internalIps: self.internalIps };
    const { method } = wish;
    const sourceIp = method?.kind === "can-reach" ? await sourceTo(method.destination, version) : undefined;
    if (method !== undefined) return detectAddress(method, version, { ...facts, sourceIp });
    return (
      detectAddress({ kind: "kubernetes-internal-ip" }, version, { ...facts, sourceIp }) ??
      detectAddress({ kind: "first-found" }, version, { ...facts, sourceIp })
    );
  }

  async #candidates(): Promise<readonly Candidate[]> {
    const netlink = this.#parts.openNetlink();
    try {
      const links = (await netlink.links()).filter(({ up }) => up).sort((a, b) => a.index - b.index);
      const addresses = await netlink.addresses();
      return links.flatMap(({ index, name }) =>
        addresses.flatMap(({ linkIndex, ip, prefixLength }) =>
          linkIndex === index ? [{ interface: name, ip, prefixLength }] : [],
        ),
      );
    } finally {
      netlink.close();
    }
  }

  #hasAddress(self: Node, version: IpVersion): boolean {
    return this.#parts.addressOf(self, version) !== undefined;
  }

  #holderOf(ip: Ip, version: IpVersion): NodeName | undefined {
    const { node, nodes, addressOf } = this.#parts;
    return [...nodes.values()].find((other) => other.name !== node && addressOf(other, version) === ip)?.name;
  }
}

// --- internal ---

function methodText(wish: AddressWish): string {
  const method: DetectionMethod | undefined = wish.kind === "detect" ? wish.method : undefined;
  if (method === undefined) return "its InternalIP or the first that is found";
  const values =
    "patterns" in method ? method.patterns.map(({ source }) => source) : "cidrs" in method ? method.cidrs : [];
  const value = method.kind === "can-reach" ? method.destination : values.join();
  return value === "" ? method.kind : `${method.kind}=${value}`;
}
