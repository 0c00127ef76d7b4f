/** What the node itself says: its environment, and the file /etc/calico/felix.cfg. */

/** The values of one such source, by name in lower case. */
export interface LocalValues {
  readonly values: ReadonlyMap<string, LocalValue>;
  /** What of the source cannot be read: a sentence each. */
  readonly problems: readonly string[];
}

/** One value, as it stands there, not empty. */
interface LocalValue {
  /** As it is written there. */
  readonly name: string;
  readonly text: string;
}

/** The variables FELIX_…, in any case. Those that Kubernetes makes for a Service called felix-… are none of ours. */
export function environmentValues(environment: Readonly<Record<string, string | undefined>>): LocalValues {
  const given = Object.entries(environment).flatMap(([name, text]) => {
    const isOurs = /^felix_/i.test(name) && !ofAService.test(name);
    return isOurs && text !== undefined ? [{ key: name.slice("felix_".length), name, text }] : [];
  });
  return collect(given, "the environment");
}

/** `name = value` or `name: value` on lines of their own, in whatever section; # and ; begin a comment. */
export function fileValues(text: string): LocalValues {
  const problems: string[] = [];
  const given = text.split(/\r?\n/).flatMap((line, index) => {
    const content = line.replace(/^\uFEFF/, "").trim();
    if (content === "" || /^[#;]/.test(content) || /^\[[^\]]*\]$/.test(content)) return [];
    const [, name, value] = /^([^=:]+?)\s*[=:]\s*(.*)$/.exec(content) ?? [];
    if (name !== undefined && value !== undefined) return [{ key: name, name, text: plain(value) }];
    problems.push(`Cannot read line ${index + 1} of ${fileName}: it must be a name, "=" and a value; it is left out.`);
    return [];
  });
  const { values, problems: further } = collect(given, fileName);
  return { values, problems: [...problems, ...further] };
}

/** How messages call the file. */
export const fileName = "felix.cfg";

// --- internal ---

const ofAService = /_service_(host|port)(_|$)|_port(_\d+_(tcp|udp|sctp)(_(proto|port|addr))?)?$/i;

function collect(given: readonly (LocalValue & { readonly key: string })[], source: string): LocalValues {
  const values = new Map<string, LocalValue>();
  const problems: string[] = [];
  for (const { key, name, text } of given) {
    if (text === "") continue;
    const earlier = values.get(key.toLowerCase());
    if (earlier !== undefined) problems.push(`${source} has both ${earlier.name} and ${name}: the last one counts.`);
    values.set(key.toLowerCase(), { name, text });
  }
  return { values, problems };
}

/** A value without its quotes, or without the comment behind it. */
function plain(value: string): string {
  const [, , quoted] = /^(["'`])(.*)\1$/.exec(value) ?? [];
  return quoted ?? value.replace(/\s+[#;].*$/, "");
}
