/** What may stand in the input of iptables-restore(8) and ipset(8), word for word. */
import type { DesiredState } from "../../../src/felix/render/desired-state.ts";
import { ipSetText, restoreText } from "../../unit/felix/restore-text.ts";

/** The input of the restore program of one family, and of ipset. */
export interface Printed {
  readonly sets: string;
  readonly tables: Readonly<Record<4 | 6, string>>;
}

/** Everything of a state. */
export function print({ sets, tables }: DesiredState): Printed {
  const ofFamily = (version: 4 | 6) => [...tables.values()].filter((table) => table.version === version);
  const text = (version: 4 | 6) => ofFamily(version).map(restoreText).join("");
  return { sets: [...sets.values()].map(ipSetText).join(""), tables: { 4: text(4), 6: text(6) } };
}

/** The lines that are not what a rule, a chain or a set of ours looks like. */
export function strangeLines({ sets, tables }: Printed): readonly string[] {
  return [
    ...linesOf(sets).filter((line) => !setLine.test(line)),
    ...linesOf(tables[4] + tables[6]).filter((line) => !tableLine.test(line)),
  ];
}

// --- internal ---

/** A known line is one of very many. */
function linesOf(text: string): readonly string[] {
  return [...new Set(text.split("\n").filter((line) => line !== ""))];
}

const chain = "(cali-[A-Za-z0-9_./:-]{1,23}|INPUT|OUTPUT|FORWARD|PREROUTING|POSTROUTING)";
const set = "cali[46]0[A-Za-z0-9_./:-]{1,25}";
const quoted = '"[A-Za-z0-9 _./:=,()-]{0,200}"';
const address = "[0-9a-f.:]{2,45}(/[0-9]{1,3})?";
const port = "[0-9]{1,5}(:[0-9]{1,5})?";
const mark = "0x[0-9a-f]{1,8}/0x[0-9a-f]{1,8}";

const match = [
  "-p [a-z0-9-]{1,12}",
  `-[sd] ${address}`,
  "-[io] [A-Za-z0-9_.+-]{1,16}",
  `-m set (! )?--match-set ${set} (src|dst|src,src|dst,dst)`,
  `-m multiport (! )?--(source|destination)-ports ${port}(,${port}){0,14}`,
  "-m conntrack --ctstate [A-Z]+(,[A-Z]+)*",
  `-m mark (! )?--mark ${mark}`,
  "-m rpfilter --validmark --invert",
  "-m icmp6? (! )?--icmp(v6)?-type [0-9]{1,3}(/[0-9]{1,3})?",
  "-m limit --limit [0-9]+/(second|minute) --limit-burst [0-9]+",
].join("|");

const action = [
  `-[jg] ${chain}`,
  "-j (ACCEPT|DROP|RETURN|MASQUERADE --random-fully|CT --notrack)",
  `-j MARK --set-mark ${mark}`,
  `-j LOG --log-prefix ${quoted} --log-level 5`,
].join("|");

const rule = `-m comment --comment "cali:[A-Za-z0-9_-]{16}"( -m comment --comment ${quoted})?( (! )?(${match}))* (${action})`;
const tableLine = new RegExp(`^(\\*(raw|mangle|nat|filter)|:${chain} - \\[0:0\\]|-[AI] ${chain} ${rule}|COMMIT)$`);
const member = `${address}(,(tcp|udp|sctp|udplite):[0-9]{1,5})?`;
const setLine = new RegExp(`^(create ${set} hash:(net|ip,port) family inet6? maxelem [0-9]+|add ${set} ${member})$`);
