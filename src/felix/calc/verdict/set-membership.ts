import { networkOf } from "../../../net/cidr.ts";
import { bitsOf, type Ip, type IpVersion, versionOf } from "../../../net/ip.ts";

/** Whether the set holds the address, by itself or in a network. */
export function isMember(members: ReadonlySet<string>, ip: Ip): boolean {
  if (members.has(ip)) return true;
  return lengthsOf(members)[versionOf(ip)].some((length) => members.has(networkOf(ip, length)));
}

// --- internal ---

/** The lengths of the prefixes that occur. */
type Lengths = Readonly<Record<IpVersion, readonly number[]>>;

const noLengths: Lengths = { 4: [], 6: [] };

/** A plan's set is never written to, so what was found out about it stands. */
const known = new WeakMap<ReadonlySet<string>, Lengths>();

function lengthsOf(members: ReadonlySet<string>): Lengths {
  const before = known.get(members);
  if (before !== undefined) return before;
  const found = { 4: new Set<number>(), 6: new Set<number>() };
  for (const member of members) {
    const slash = member.indexOf("/");
    if (slash >= 0) found[versionOf(member)].add(Number(member.slice(slash + 1)));
  }
  const isNone = found[4].size + found[6].size === 0;
  const lengths = isNone ? noLengths : { 4: usable(found[4], 4), 6: usable(found[6], 6) };
  known.set(members, lengths);
  return lengths;
}

function usable(lengths: ReadonlySet<number>, version: IpVersion): readonly number[] {
  return [...lengths].filter((length) => length >= 0 && length <= bitsOf(version));
}
