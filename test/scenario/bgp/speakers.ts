import type { BirdConfig, FamilyConfig, Session } from "../../../src/bgp/plan/bird-config.ts";
import type { OutsideRouter } from "../../../src/bgp/simulate/outside-router.ts";
import { type Side, Speaker, type Update } from "./speaker.ts";

/** What came out of it. */
export interface Settled {
  /** `FROM > NETWORK` for every node that a packet for another's block does not arrive from. */
  readonly unreached: readonly string[];
  /** `A - B`, names or addresses in order, of the sessions between them. */
  readonly sessions: readonly string[];
}

interface End {
  readonly speaker: Speaker;
  readonly config: BirdConfig;
  readonly family: FamilyConfig;
  readonly session: Session;
}

/** A message on its way, first in, first out on each session. */
interface Wire {
  readonly to: Side;
  readonly updates: Update[];
}

/** Lets speakers with these configurations send UPDATEs, in an order that `random` decides, until nobody has one to send. */
export function letThemSpeak(
  configs: ReadonlyMap<string, BirdConfig>,
  outside: readonly OutsideRouter[],
  random: () => number,
): Settled {
  const { speakers, sides } = connect(configs, outside);
  const networks = [...new Set([...speakers.values()].flatMap((one) => one.facts.policy?.blocks ?? []))];
  const wires = new Map<string, Wire>();
  const tell = (speaker: Speaker, network: string) => {
    for (const side of speaker.sides) {
      const other = sides.get(side.key) as Side;
      const updates = speaker.updates(side, network);
      if (updates.length === 0) continue;
      const wire = wires.get(side.key) ?? { to: other, updates: [] };
      wire.updates.push(...updates);
      wires.set(side.key, wire);
    }
  };
  for (const speaker of new Set(speakers.values())) for (const network of networks) tell(speaker, network);
  for (let count = 0; wires.size > 0; count++) {
    if (count > 300_000) throw new Error("the speakers never fall silent");
    const [key, { to, updates }] = [...wires][Math.floor(random() * wires.size)] as [string, Wire];
    const update = updates.shift() as Update;
    if (updates.length === 0) wires.delete(key);
    to.speaker.receive(to, update);
    tell(to.speaker, update.network);
  }
  const names = [...sides.values()].map((side) =>
    [side.speaker.facts.name, nameOf(speakers, side.neighborAddress)].sort(),
  );
  return {
    unreached: unreached(speakers, networks),
    sessions: [...new Set(names.map((pair) => pair.join(" - ")))].sort(),
  };
}

// --- internal ---

/** Speakers by address, and of each side, by its key, the other one. */
function connect(configs: ReadonlyMap<string, BirdConfig>, outside: readonly OutsideRouter[]) {
  const speakers = new Map<string, Speaker>();
  const ends: End[] = [];
  for (const { addresses, role } of outside.filter((one) => one.role !== "is absent")) {
    const passesOn = role === "passes on";
    const facts = {
      name: addresses[0] as string,
      id: addresses[0] as string,
      policy: undefined,
      priority: 0,
      passesOn,
    };
    const speaker = new Speaker(facts);
    for (const address of addresses) speakers.set(address, speaker);
  }
  for (const [name, config] of configs) {
    for (const family of config.families.filter(({ version }) => version === 4)) {
      const facts = { name, id: config.routerId, policy: family.exports, priority: family.normalRoutePriority };
      const speaker = new Speaker({ ...facts, passesOn: true });
      speakers.set(family.address, speaker);
      for (const session of family.sessions) ends.push({ speaker, config, family, session });
    }
  }
  const others = new Map<string, Side>();
  for (const end of ends) {
    const far = ends.find((one) => sourceOf(one) === end.session.neighbor && one.session.neighbor === sourceOf(end));
    const speaker = speakers.get(end.session.neighbor);
    if (far === undefined && (speaker === undefined || speaker.facts.policy !== undefined || end.session.held))
      continue;
    if (far !== undefined && !comesUp(end, far)) continue;
    const near = sideOf(end, far !== undefined, far?.config.routerId ?? (speaker as Speaker).facts.id);
    end.speaker.sides.push(near);
    if (far !== undefined) others.set(`${near.neighborAddress}>${near.ownAddress}`, near);
    else {
      const back = outsideSide(near, speaker as Speaker, end.config.routerId);
      (speaker as Speaker).sides.push(back);
      others.set(near.key, back);
      others.set(back.key, near);
    }
  }
  return { speakers, sides: others };
}

function sourceOf({ session, family }: End): string {
  return session.source ?? family.address;
}

function comesUp(a: End, b: End): boolean {
  const asOf = ({ session, config }: End) => session.localAs ?? config.localAs;
  const reaches = (from: End, to: End) => !from.session.passive && (from.session.port ?? 179) === to.config.listenPort;
  const isInternal = asOf(a) === a.session.neighborAs;
  return [
    !a.session.held && !b.session.held,
    a.session.neighborAs === asOf(b) && b.session.neighborAs === asOf(a),
    a.session.password === b.session.password,
    (a.session.ttlSecurityHops ?? 0) > 0 === (b.session.ttlSecurityHops ?? 0) > 0,
    reaches(a, b) || reaches(b, a),
    !isInternal || a.config.routerId !== b.config.routerId,
  ].every(Boolean);
}

function sideOf(end: End, addPath: boolean, neighborId: string): Side {
  const { speaker, config, session } = end;
  const filters = (names: readonly string[]) =>
    names.flatMap((name) => config.filters.find((one) => one.name === name) ?? []);
  const own = sourceOf(end);
  return {
    ...{ key: `${own}>${session.neighbor}`, speaker, ownAddress: own, neighborAddress: session.neighbor },
    ...{ ownAs: session.localAs ?? config.localAs, neighborAs: session.neighborAs, neighborId },
    ...{ cluster: session.reflectorCluster, nextHop: session.nextHop, allowedLocalAs: session.allowedLocalAs, addPath },
    ...{ importFilters: filters(session.importFilters), exportFilters: filters(session.exportFilters) },
  };
}

/** The plain router, or the reflector, that an unknown neighbour is taken for. */
function outsideSide(near: Side, speaker: Speaker, neighborId: string): Side {
  return {
    ...{ key: `${near.neighborAddress}>${near.ownAddress}`, speaker, neighborId },
    ...{ ownAddress: near.neighborAddress, neighborAddress: near.ownAddress },
    ...{ ownAs: near.neighborAs, neighborAs: near.ownAs, addPath: false, allowedLocalAs: 0, nextHop: "auto" },
    cluster: near.ownAs === near.neighborAs ? speaker.facts.id : undefined,
    ...{ importFilters: [], exportFilters: [] },
  };
}

function nameOf(speakers: ReadonlyMap<string, Speaker>, address: string): string {
  return speakers.get(address)?.facts.name ?? address;
}

/** Sends packets with a time to live by each of the equal routes. */
function unreached(speakers: ReadonlyMap<string, Speaker>, networks: readonly string[]): readonly string[] {
  const arrives = (at: Speaker | undefined, network: string, owner: Speaker, ttl: number): boolean => {
    if (at === undefined || ttl === 0) return false;
    if (at.owns(network)) return at === owner;
    const hops = new Set(at.best(network).map(({ path }) => path.nextHop));
    return hops.size > 0 && [...hops].every((hop) => arrives(speakers.get(hop), network, owner, ttl - 1));
  };
  const nodes = [...new Set(speakers.values())].filter(({ facts }) => facts.policy !== undefined);
  return networks
    .flatMap((network) => nodes.flatMap((owner) => (owner.owns(network) ? [{ network, owner }] : [])))
    .flatMap(({ network, owner }) =>
      nodes.flatMap((node) => (arrives(node, network, owner, 16) ? [] : [`${node.facts.name} > ${network}`])),
    )
    .sort();
}
