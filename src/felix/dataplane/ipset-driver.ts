import type { Host } from "../../host/host.ts";
import { parseCidr } from "../../net/cidr.ts";
import { diff, isEmpty } from "../../reconcile/delta.ts";
import type { IpSet } from "../render/desired-state.ts";
import type { SetDriver } from "./dataplane.ts";

/** Names that are ours: upstream's IPv4 and IPv6 prefixes, with the temporary `cali4t` and `cali6t`. */
const ownName = /^cali[46][0t]/;

/** IP sets through ipset(8): one `ipset restore` for all that changes, one for all that goes; its cost follows the change. */
export class IpsetDriver implements SetDriver {
  readonly #host: Host;
  #actual: Map<string, KernelSet> | undefined;

  constructor(host: Host) {
    this.#host = host;
  }

  async upsert(sets: ReadonlyMap<string, IpSet>): Promise<void> {
    const actual = await this.#read();
    const { upserts } = diff(sets, actual, sameSet);
    if (upserts.size === 0) return;
    const lines = [...upserts.values()].flatMap((set) => changeLines(set, actual.get(set.name)));
    await this.#restore(lines);
    for (const [name, set] of upserts) actual.set(name, set);
  }

  async prune(sets: ReadonlyMap<string, IpSet>): Promise<void> {
    const actual = await this.#read();
    const gone = [...actual.keys()].filter((name) => !sets.has(name));
    if (gone.length === 0) return;
    await this.#restore(gone.map((name) => `destroy ${name}`));
    for (const name of gone) actual.delete(name);
  }

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
      // A set of another type is replaced whole, and its members may be no networks.
      if (found?.set.type === "hash:net") found.members.add(memberOf(rest[0]));
    }
  }
  return new Map([...sets].map(([name, { set, members }]) => [name, { ...set, members }]));
}

/** A member of `hash:net` in our own spelling: the kernel has its own of some IPv6 addresses, such as `::ffff:1.2.3.4`. */
function memberOf(printed: string): string {
  return bare(parseCidr(printed));
}

function sameSet(a: KernelSet, b: KernelSet): boolean {
  return sameType(a, b) && a.maxElements === b.maxElements && isEmpty(memberDelta(a, b));
}

function sameType(a: KernelSet, b: KernelSet): boolean {
  return a.type === b.type && a.version === b.version;
}

function memberDelta(desired: KernelSet, actual: KernelSet | undefined) {
  const keyed = (set: KernelSet | undefined) =>
    new Map([...(set?.members ?? [])].map((member) => [bare(member), true]));
  return diff(keyed(desired), keyed(actual), () => true);
}

/** As the kernel prints it: a host without its prefix length. */
function bare(member: string): string {
  return member.replace(member.includes(":") ? /\/128$/ : /\/32$/, "");
}

function changeLines(desired: KernelSet, actual: KernelSet | undefined): string[] {
  if (actual !== undefined && !sameType(desired, actual)) {
    // The kernel swaps only sets of one type. Ours never change theirs, so this is a stranger's, or an older version's.
    return [`destroy ${desired.name}`, ...changeLines(desired, undefined)];
  }
  if (actual !== undefined && actual.maxElements !== desired.maxElements) {
    // Built beside and swapped in: rules that use the set never see it half full.
    const temporary = desired.name.replace(/^(cali[46])./, "$1t");
    return [
      createLine(temporary, desired),
      ...[...desired.members].map((member) => `add ${temporary} ${member}`),
      `swap ${temporary} ${desired.name}`,
      `destroy ${temporary}`,
    ];
  }
  const { upserts, removals } = memberDelta(desired, actual);
  return [
    ...(actual === undefined ? [createLine(desired.name, desired)] : []),
    ...[...upserts.keys()].map((member) => `add ${desired.name} ${member}`),
    ...[...removals].map((member) => `del ${desired.name} ${member}`),
  ];
}

function createLine(name: string, { type, version, maxElements }: KernelSet): string {
  return `create ${name} ${type} family ${version === 4 ? "inet" : "inet6"} maxelem ${maxElements}`;
}
