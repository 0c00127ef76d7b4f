import type { Host } from "../../host/host.ts";
import type { SetChange, SetNetlink } from "../../host/netlink/set-netlink.ts";
import { parseCidr } from "../../net/cidr.ts";
import { parseIp } from "../../net/ip.ts";
import { portProtocolNames } from "../../net/protocol-numbers.ts";
import { diff, isEmpty } from "../../reconcile/delta.ts";
import type { IpSet, IpSetType } from "../render/desired-state.ts";
import type { Drift } from "./dataplane.ts";

/** Names that are ours: upstream's IPv4 and IPv6 prefixes, with the temporary `cali4t` and `cali6t`. */
const ownName = /^cali[46][0t]/;

/**
 * IP sets. They are made by ipset(8), one `ipset restore` for all; their members come and go, and sets are destroyed, by
 * netlink, as starting a program would cost a hundred times as much. The cost follows the change.
 */
export class IpsetDriver {
  readonly #host: Host;
  readonly #sets: SetNetlink;
  #actual: Map<string, KernelSet> | undefined;

  constructor(host: Host, sets: SetNetlink) {
    this.#host = host;
    this.#sets = sets;
  }

  /** Makes the sets and their members so; leaves sets that are not named. */
  async upsert(sets: ReadonlyMap<string, IpSet>): Promise<void> {
    const actual = await this.#read();
    const upserts = [...diff<string, KernelSet>(sets, actual, sameSet).upserts.values()];
    const isMade = (set: KernelSet) => sameHeader(set, actual.get(set.name));
    const lines = upserts.filter((set) => !isMade(set)).flatMap((set) => makeLines(set, actual.get(set.name)));
    if (lines.length > 0) await this.#restore(lines);
    await this.#sets.change(upserts.filter(isMade).flatMap((set) => memberChanges(set, actual.get(set.name))));
    for (const [name, set] of sets) actual.set(name, set);
  }

  /** Destroys our sets that are not named. Answers those that some rule still uses, which stay. */
  async prune(sets: ReadonlyMap<string, IpSet>): Promise<readonly string[]> {
    const actual = await this.#read();
    const gone = [...actual.keys()].filter((name) => !sets.has(name));
    const used = await this.#sets.destroy(gone);
    for (const name of gone) if (!used.includes(name)) actual.delete(name);
    return used;
  }

  /** Reads every set of ours, and answers what of `sets` is missing or has other members. */
  async drift(sets: ReadonlyMap<string, IpSet>): Promise<readonly Drift[]> {
    this.forget();
    const actual = await this.#read();
    return [...diff<string, KernelSet>(sets, actual, sameSet).upserts.values()].map((set) => ({
      part: "sets",
      where: `set ${set.name}`,
      difference: differenceOf(set, actual.get(set.name)),
    }));
  }

  /** The next call compares with the kernel itself and not with what was last written. */
  forget(): void {
    this.#actual = undefined;
  }

  async #read(): Promise<Map<string, KernelSet>> {
    if (this.#actual === undefined) this.#actual = parseIpsetSave((await this.#host.run(["ipset", "save"])).stdout);
    return this.#actual;
  }

  async #restore(lines: readonly string[]): Promise<void> {
    await this.#host.run(["ipset", "-exist", "restore"], { stdin: `${lines.join("\n")}\n` });
  }
}

// --- internal ---

/** A set as the kernel may have it: of any type, also under one of our names. */
type KernelSet = Omit<IpSet, "type"> & { readonly type: string };

/** Our sets in the output of `ipset save`(8), of whatever type. */
function parseIpsetSave(text: string): Map<string, KernelSet> {
  const sets = new Map<string, { set: Omit<KernelSet, "members">; members: Set<string> }>();
  for (const line of text.split("\n")) {
    const [verb, name, ...rest] = line.split(" ");
    if (name === undefined || !ownName.test(name)) continue;
    if (verb === "create") {
      const option = (key: string) => rest[rest.indexOf(key) + 1];
      const version = option("family") === "inet6" ? 6 : 4;
      const set = { name, type: rest[0] ?? "", version, maxElements: Number(option("maxelem")) } as const;
      sets.set(name, { set, members: new Set() });
    } else if (verb === "add" && rest[0] !== undefined) {
      const found = sets.get(name);
      const member = found && memberOf(rest[0], found.set.type);
      // Somebody else's, that cannot be ours: such a set is made anew.
      if (found && member === undefined) found.set = { ...found.set, maxElements: Number.NaN };
      else if (member !== undefined) found?.members.add(member);
    }
  }
  return new Map([...sets].map(([name, { set, members }]) => [name, { ...set, members }]));
}

/**
 * A member in our own spelling: the kernel has its own of some IPv6 addresses, such as `::ffff:1.2.3.4`. Undefined when it is
 * none of a set of ours.
 */
function memberOf(printed: string, type: string): string | undefined {
  if (type === netType) return bare(parseCidr(printed));
  const [, ip, protocol = "", port] = /^([^,]+),([a-z]+):([0-9]+)$/.exec(printed) ?? [];
  if (type !== portType || ip === undefined || !portProtocols.has(protocol)) return undefined;
  return `${parseIp(ip)},${protocol}:${port}`;
}

const netType: IpSetType = "hash:net";
const portType: IpSetType = "hash:ip,port";

/** What a set may hold the ports of, as ipset(8) names it. */
const portProtocols: ReadonlyMap<string, number> = new Map(
  [...portProtocolNames].map(([number, name]) => [name, number]),
);

/** Of either type, as netlink takes it. Throws when it is neither. */
function netlinkMember(member: string): SetChange["member"] {
  const [, ip, protocol, port] = /^([^,]+),([^:]+):([0-9]+)$/.exec(member) ?? [];
  if (ip === undefined || protocol === undefined) return parseCidr(member);
  const number = portProtocols.get(protocol);
  if (number === undefined) throw new Error(`Cannot put ${member} into a set: it cannot hold ports of ${protocol}`);
  return { ip: parseIp(ip), protocol: number, port: Number(port) };
}

/** Most sets of a pass are the very objects of the one before: their members need not be looked at. */
function sameSet(a: KernelSet, b: KernelSet): boolean {
  return a === b || (sameHeader(a, b) && isEmpty(memberDelta(a, b)));
}

/** Whether they differ in their members alone. */
function sameHeader(a: KernelSet, b: KernelSet | undefined): boolean {
  return b !== undefined && sameType(a, b) && a.maxElements === b.maxElements;
}

function sameType(a: KernelSet, b: KernelSet): boolean {
  return a.type === b.type && a.version === b.version;
}

function memberDelta(desired: KernelSet, actual: KernelSet | undefined) {
  const keyed = (set: KernelSet | undefined) =>
    new Map([...(set?.members ?? [])].map((member) => [bare(member), true]));
  return diff(keyed(desired), keyed(actual), () => true);
}

function differenceOf(desired: KernelSet, actual: KernelSet | undefined): string {
  if (actual === undefined) return "it is not there";
  if (!sameHeader(desired, actual)) return `it is a ${actual.type} of at most ${actual.maxElements} members`;
  const { upserts, removals } = memberDelta(desired, actual);
  return `${upserts.size} of ${desired.members.size} members are missing, and ${removals.size} are not ours`;
}

/** As the kernel prints it: a host without its prefix length. */
function bare(member: string): string {
  return member.replace(member.includes(":") ? /\/128$/ : /\/32$/, "");
}

function memberChanges(desired: KernelSet, actual: KernelSet | undefined): readonly SetChange[] {
  const { upserts, removals } = memberDelta(desired, actual);
  const change = (verb: SetChange["verb"]) => (member: string) => ({
    verb,
    set: desired.name,
    member: netlinkMember(member),
  });
  return [...[...upserts.keys()].map(change("add")), ...[...removals].map(change("remove"))];
}

/** What makes a set that is not there, or is there with another header. */
function makeLines(desired: KernelSet, actual: KernelSet | undefined): string[] {
  if (actual !== undefined && !sameType(desired, actual)) {
    // The kernel swaps only sets of one type. Ours never change theirs, so this is a stranger's, or an older version's.
    return [`destroy ${desired.name}`, ...makeLines(desired, undefined)];
  }
  if (actual !== undefined) {
    // Built beside and swapped in: rules that use the set never see it half full.
    const temporary = desired.name.replace(/^(cali[46])./, "$1t");
    return [
      createLine(temporary, desired),
      // One that was left behind half full would bring its members along.
      `flush ${temporary}`,
      ...[...desired.members].map((member) => `add ${temporary} ${member}`),
      `swap ${temporary} ${desired.name}`,
      `destroy ${temporary}`,
    ];
  }
  return [createLine(desired.name, desired), ...[...desired.members].map((member) => `add ${desired.name} ${member}`)];
}

function createLine(name: string, { type, version, maxElements }: KernelSet): string {
  return `create ${name} ${type} family ${version === 4 ? "inet" : "inet6"} maxelem ${maxElements}`;
}
