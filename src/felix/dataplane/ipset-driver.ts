import type { Host } from "../../host/host.ts";
import type { SetChange, SetNetlink } from "../../host/netlink/set-netlink.ts";
import { type SetDelta, setDelta } from "../../net/changed-set.ts";
import { parseCidr } from "../../net/cidr.ts";
import { parseIp } from "../../net/ip.ts";
import { portProtocolNames } from "../../net/protocol-numbers.ts";
import { Writes } from "../../reconcile/writes.ts";
import type { IpSet, IpSetType } from "../render/desired-state.ts";
import type { Drift } from "./dataplane.ts";

/** Names that are ours: upstream's IPv4 and IPv6 prefixes, with the temporary `cali4t` and `cali6t`. */
const ownName = /^cali[46][0t]/;

/** By one call of `prune`: the kernel takes some milliseconds for each. */
const mostDestroyed = 16;

/**
 * IP sets. They are made by ipset(8), one `ipset restore` for all; their members come and go, and sets are destroyed, by
 * netlink, as starting a program would cost a hundred times as much. The cost follows the change.
 */
export class IpsetDriver {
  readonly #host: Host;
  readonly #sets: SetNetlink;
  #actual: Map<string, KernelSet> | undefined;
  readonly #writes = new Writes();

  constructor(host: Host, sets: SetNetlink) {
    this.#host = host;
    this.#sets = sets;
  }

  /** Makes the sets and their members so; leaves sets that are not named. */
  async upsert(sets: ReadonlyMap<string, IpSet>): Promise<void> {
    const actual = await this.#read();
    const made: string[] = [];
    const changes: SetChange[] = [];
    for (const { set, current, delta } of differing(sets, actual)) {
      if (delta === undefined) for (const line of makeLines(set, current)) made.push(line);
      else for (const change of memberChanges(set, delta)) changes.push(change);
    }
    await this.#writes.during(async () => {
      if (made.length > 0) await this.#restore(made);
      if (changes.length > 0) await this.#sets.change(changes);
    });
    for (const [name, set] of sets) actual.set(name, set);
  }

  /**
   * Destroys our sets that are not named. Answers those that are still there, because some rule uses them or because they were too
   * many: each makes the kernel wait, and a change must not wait for them all.
   */
  async prune(sets: ReadonlyMap<string, IpSet>): Promise<readonly string[]> {
    const actual = await this.#read();
    const gone = [...actual.keys()].filter((name) => !sets.has(name));
    const tried = gone.slice(0, mostDestroyed);
    if (tried.length === 0) return [];
    const used = new Set(await this.#writes.during(() => this.#sets.destroy(tried)));
    const left: string[] = [];
    for (const name of gone.slice(mostDestroyed)) left.push(name);
    for (const name of tried) {
      const set = actual.get(name);
      actual.delete(name);
      if (!used.has(name) || set === undefined) continue;
      // To the end: the next call tries others first.
      actual.set(name, set);
      left.push(name);
    }
    return left;
  }

  /**
   * Reads every set of ours, and answers what of `sets` is missing or has other members, and which are there that nobody here has
   * made; `prune` takes those away.
   */
  async drift(sets: ReadonlyMap<string, IpSet>): Promise<readonly Drift[]> {
    const known = this.#actual;
    const isValid = this.#writes.reading();
    const actual = await this.#readKernel();
    if (!isValid()) return [];
    this.#actual = actual;
    const drift = (name: string, difference: string): Drift => ({ part: "sets", where: `set ${name}`, difference });
    const strange = [...actual.keys()].filter((name) => !sets.has(name) && known !== undefined && !known.has(name));
    return [
      ...differing(sets, actual).map((one) => drift(one.set.name, differenceOf(one))),
      ...strange.map((name) => drift(name, "it is not ours")),
    ];
  }

  /** The next call compares with the kernel itself and not with what was last written. */
  forget(): void {
    this.#actual = undefined;
  }

  async #read(): Promise<Map<string, KernelSet>> {
    this.#actual ??= await this.#readKernel();
    return this.#actual;
  }

  async #readKernel(): Promise<Map<string, KernelSet>> {
    return parseIpsetSave((await this.#host.run(["ipset", "save"])).stdout);
  }

  async #restore(lines: readonly string[]): Promise<void> {
    await this.#host.run(["ipset", "-exist", "restore"], { stdin: `${lines.join("\n")}\n` });
  }
}

// --- internal ---

/** A set as the kernel may have it: of any type, also under one of our names. */
type KernelSet = Omit<IpSet, "type"> & { readonly type: string };

/** Our sets in the output of `ipset save`(8), of whatever type. Throws when it is cut off. */
function parseIpsetSave(text: string): Map<string, KernelSet> {
  // The start of a member may be another member.
  if (text !== "" && !text.endsWith("\n"))
    throw new Error("Cannot tell what ipset holds: what it printed ends within a line");
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
  // Of the others its spelling is ours.
  if (type === netType) return bare(printed.includes(":") && printed.includes(".") ? parseCidr(printed) : printed);
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

/** A set that is not as it should be; without a delta it must be made. */
interface Differing {
  readonly set: IpSet;
  readonly current: KernelSet | undefined;
  readonly delta: SetDelta<string> | undefined;
}

/** Most sets of a pass are the very objects of the one before: their members need not be looked at. */
function differing(sets: ReadonlyMap<string, IpSet>, actual: ReadonlyMap<string, KernelSet>): readonly Differing[] {
  const found: Differing[] = [];
  for (const set of sets.values()) {
    const current = actual.get(set.name);
    if (current === set) continue;
    const delta =
      current !== undefined && sameHeader(set, current) ? setDelta(current.members, set.members) : undefined;
    if (delta?.added.length !== 0 || delta.removed.length !== 0) found.push({ set, current, delta });
  }
  return found;
}

/** Whether they differ in their members alone. */
function sameHeader(a: KernelSet, b: KernelSet | undefined): boolean {
  return b !== undefined && sameType(a, b) && a.maxElements === b.maxElements;
}

function sameType(a: KernelSet, b: KernelSet): boolean {
  return a.type === b.type && a.version === b.version;
}

function differenceOf({ set, current, delta }: Differing): string {
  if (current === undefined) return "it is not there";
  if (delta === undefined) return `it is a ${current.type} of at most ${current.maxElements} members`;
  return `${delta.added.length} of ${set.members.size} members are missing, and ${delta.removed.length} are not ours`;
}

/** As the kernel prints it: a host without its prefix length. */
function bare(member: string): string {
  const host = member.includes(":") ? "/128" : "/32";
  return member.endsWith(host) ? member.slice(0, -host.length) : member;
}

/** Additions first: a member that comes for another is there before that one goes. */
function memberChanges({ name }: IpSet, { added, removed }: SetDelta<string>): readonly SetChange[] {
  const change = (verb: SetChange["verb"]) => (member: string) => ({ verb, set: name, member: netlinkMember(member) });
  return [...added.map(change("add")), ...removed.map(change("remove"))];
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
