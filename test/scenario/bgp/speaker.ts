/**
 * One BGP speaker that is told UPDATEs one by one, straight from RFC 4271, 4456 and 7911: for judging what src/bgp/simulate
 * works out in another way. IPv4 only; slow and plain.
 */

import type { ExportPolicy, Session } from "../../../src/bgp/plan/bird-config.ts";
import type { BirdFilter, BirdFilterRule } from "../../../src/bgp/plan/bird-filter.ts";

/** One side of an established session. */
export interface Side {
  readonly key: string;
  readonly speaker: Speaker;
  readonly ownAddress: string;
  readonly neighborAddress: string;
  readonly ownAs: number;
  readonly neighborAs: number;
  readonly neighborId: string;
  readonly cluster: string | undefined;
  readonly nextHop: Session["nextHop"];
  readonly allowedLocalAs: number;
  readonly addPath: boolean;
  readonly importFilters: readonly BirdFilter[];
  readonly exportFilters: readonly BirdFilter[];
}

/** The path attributes of an UPDATE, under the path identifier that its sender gave. */
export interface Update {
  readonly network: string;
  readonly pathId: string;
  /** Undefined: the path is withdrawn. */
  readonly path: Path | undefined;
}

export interface Path {
  nextHop: string;
  asPath: number[];
  localPref: number | undefined;
  med: number | undefined;
  originatorId: string | undefined;
  clusterList: string[];
  communities: string[];
}

/** A path with where it came from; no side: the speaker's own network. */
interface Candidate {
  readonly side: Side | undefined;
  readonly id: string;
  readonly path: Path;
}

export interface SpeakerFacts {
  readonly name: string;
  readonly id: string;
  /** Undefined: passes on everything. */
  readonly policy: ExportPolicy | undefined;
  readonly priority: number;
  readonly passesOn: boolean;
}

export class Speaker {
  readonly facts: SpeakerFacts;
  readonly sides: Side[] = [];
  readonly #in = new Map<string, Map<string, Candidate>>();
  readonly #out = new Map<string, string>();

  constructor(facts: SpeakerFacts) {
    this.facts = facts;
  }

  /** Takes an UPDATE that came by `side`: §9, phase 1. */
  receive(side: Side, { network, pathId, path }: Update): void {
    const paths = this.#in.get(network) ?? new Map<string, Candidate>();
    this.#in.set(network, paths);
    const id = `${side.key}|${pathId}`;
    const taken = path && this.#import(side, network, structuredClone(path));
    if (taken === undefined) paths.delete(id);
    else paths.set(id, { side, id, path: taken });
  }

  /** What there is to tell by `side` about `network` now: §9, phase 3. */
  updates(side: Side, network: string): readonly Update[] {
    const wanted = new Map<string, Path>();
    const candidates = this.candidates(network);
    const offered = side.addPath ? candidates : candidates.filter(({ id }) => id === this.best(network)[0]?.id);
    for (const candidate of offered) {
      const path = this.#export(side, network, candidate);
      if (path !== undefined) wanted.set(side.addPath ? candidate.id : "", path);
    }
    const prefix = `${side.key}#${network}#`;
    const updates: Update[] = [];
    for (const key of [...this.#out.keys()].filter((one) => one.startsWith(prefix))) {
      const pathId = key.slice(prefix.length);
      if (wanted.has(pathId)) continue;
      this.#out.delete(key);
      updates.push({ network, pathId, path: undefined });
    }
    for (const [pathId, path] of wanted) {
      const text = JSON.stringify(path);
      if (this.#out.get(prefix + pathId) === text) continue;
      this.#out.set(prefix + pathId, text);
      updates.push({ network, pathId, path });
    }
    return updates;
  }

  owns(network: string): boolean {
    return this.facts.policy?.blocks.some((block) => block === network) === true;
  }

  candidates(network: string): readonly Candidate[] {
    const own = { side: undefined, id: "own", path: ownPath(this.facts.priority) };
    return [...(this.owns(network) ? [own] : []), ...(this.#in.get(network)?.values() ?? [])];
  }

  /** The best path first, then those that are as good up to step d of §9.1.2.2. */
  best(network: string): readonly Candidate[] {
    const candidates = this.candidates(network);
    const own = candidates.find(({ side }) => side === undefined);
    if (own) return [own];
    // Of each pair one is better, so the one that none is better than comes first.
    const order = candidates.toSorted((a, b) => steps(a, b).find((step) => step !== 0) ?? 0);
    return order.filter((one) =>
      steps(one, order[0] as Candidate)
        .slice(0, 4)
        .every((step) => step === 0),
    );
  }

  #import(side: Side, network: string, path: Path): Path | undefined {
    const internal = side.ownAs === side.neighborAs;
    if (path.asPath.filter((as) => as === side.ownAs).length > side.allowedLocalAs) return undefined;
    if (internal && path.originatorId === this.facts.id) return undefined;
    if (side.cluster !== undefined && path.clusterList.includes(side.cluster)) return undefined;
    const verdict = judge(side.importFilters, { network, path, internal, learned: true });
    if (verdict === "reject") return undefined;
    if (path.communities.includes("65535:0")) path.localPref = 0;
    return path;
  }

  #export(side: Side, network: string, { side: from, path: known }: Candidate): Path | undefined {
    if (from === side || !this.facts.passesOn) return undefined;
    const path = structuredClone(known);
    const internal = side.ownAs === side.neighborAs;
    const fromInternal = from !== undefined && from.ownAs === from.neighborAs;
    const reflects = fromInternal && internal && from.ownAs === side.ownAs;
    if (reflects && from.cluster === undefined && side.cluster === undefined) return undefined;
    if (reflects && side.cluster !== undefined && path.clusterList.includes(side.cluster)) return undefined;
    if (path.communities.includes("65535:65282")) return undefined;
    if (!internal && path.communities.some((one) => one === "65535:65281" || one === "65535:65283")) return undefined;
    if (!internal) path.med = undefined;
    const learned = from !== undefined;
    if (this.facts.policy?.isDraining) path.communities.push("65535:0");
    const verdict = judge(side.exportFilters, { network, path, internal, learned });
    if (verdict === "reject") return undefined;
    if (verdict === undefined && !ownPolicyAllows(this.facts.policy, { network, path, internal, learned })) {
      return undefined;
    }
    const keeps = learned && side.nextHop !== "self" && (side.nextHop === "keep" || internal);
    path.nextHop = keeps ? known.nextHop : side.ownAddress;
    if (path.nextHop === side.neighborAddress) return undefined;
    if (internal) path.localPref ??= 100;
    else {
      path.asPath.unshift(side.ownAs);
      Object.assign(path, { localPref: undefined, originatorId: undefined, clusterList: [] });
    }
    if (reflects) {
      path.originatorId ??= from.neighborId;
      if (from.cluster !== undefined) path.clusterList.unshift(from.cluster);
      if (side.cluster !== undefined && side.cluster !== from.cluster) path.clusterList.unshift(side.cluster);
    }
    return path;
  }
}

// --- internal ---

interface Judged {
  readonly network: string;
  readonly path: Path;
  readonly internal: boolean;
  readonly learned: boolean;
}

function ownPath(priority: number): Path {
  const nothing = { med: undefined, originatorId: undefined, clusterList: [], communities: [] };
  return { nextHop: "", asPath: [], localPref: 2147483647 - priority, ...nothing };
}

/** §9.1.2.2 and RFC 4456 §9, each step below zero where `a` is better. */
function steps(a: Candidate, b: Candidate): readonly number[] {
  const [x, y] = [a.side as Side, b.side as Side];
  const first = (path: Path, side: Side) => path.asPath[0] ?? side.ownAs;
  const isExternal = (side: Side) => (side.ownAs === side.neighborAs ? 1 : 0);
  return [
    (b.path.localPref ?? 100) - (a.path.localPref ?? 100),
    a.path.asPath.length - b.path.asPath.length,
    first(a.path, x) === first(b.path, y) ? (a.path.med ?? 0) - (b.path.med ?? 0) : 0,
    isExternal(x) - isExternal(y),
    toNumber(a.path.originatorId ?? x.neighborId) - toNumber(b.path.originatorId ?? y.neighborId),
    a.path.clusterList.length - b.path.clusterList.length,
    toNumber(x.neighborAddress) - toNumber(y.neighborAddress),
  ];
}

function toNumber(ip: string): number {
  return ip.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
}

function lies(network: string, cidr: string): boolean {
  const [[address = "", bits], [base = "", length]] = [network.split("/"), cidr.split("/")];
  const size = 2 ** (32 - Number(length));
  return Number(bits) >= Number(length) && Math.floor(toNumber(address) / size) === Math.floor(toNumber(base) / size);
}

function judge(filters: readonly BirdFilter[], judged: Judged): "accept" | "reject" | undefined {
  for (const rule of filters.flatMap(({ rules }) => rules)) {
    if (!agrees(rule, judged)) continue;
    if (rule.action === "accept") for (const operation of rule.operations) change(judged.path, operation);
    return rule.action;
  }
  return undefined;
}

function agrees(rule: BirdFilterRule, { network, path, internal, learned }: Judged): boolean {
  const { net, communities, asPathPrefix, peerType, priority } = rule;
  const wanted = communities.map((community) => community.join(":"));
  return [
    net === undefined || agreesNet(net, network),
    learned || !rule.fromRemotePeers,
    rule.interface === undefined,
    peerType === undefined || (peerType === "iBGP") === internal,
    wanted.length === 0 || wanted.some((one) => path.communities.includes(one)),
    asPathPrefix.join() === path.asPath.slice(0, asPathPrefix.length).join(),
    priority === undefined || path.localPref === 2147483647 - priority,
  ].every(Boolean);
}

function agreesNet({ cidr, operator, length }: NonNullable<BirdFilterRule["net"]>, network: string): boolean {
  const bits = Number(network.split("/")[1]);
  const inside = lies(network, cidr) && (!length || (bits >= length.min && bits <= length.max));
  return { Equal: network === cidr, NotEqual: network !== cidr, In: inside, NotIn: !inside }[operator];
}

function change(path: Path, operation: BirdFilterRule["operations"][number]): void {
  if (operation.kind === "addCommunity") path.communities.push(operation.community.join(":"));
  else if (operation.kind === "prependAsPath") path.asPath.unshift(...operation.asNumbers);
  else path.localPref = 2147483647 - operation.priority;
}

/** As the doc comments of ExportPolicy have it. */
function ownPolicyAllows(policy: ExportPolicy | undefined, { network, path, internal, learned }: Judged): boolean {
  if (policy === undefined) return true;
  if (policy.hidden.some((cidr) => lies(network, cidr))) return false;
  for (const { cidr, communities } of policy.communities) {
    if (lies(network, cidr)) path.communities.push(...communities.map((one) => one.join(":")));
  }
  if (policy.blocks.some((block) => block === network)) return !learned;
  if (policy.blocks.some((block) => lies(network, block))) return false;
  if (!learned || !policy.pools.some((pool) => lies(network, pool))) return false;
  if (!internal) path.med = 100;
  return true;
}
