import { type BirdConfig, type Session, sessionsByNeighbor } from "../plan/bird-config.ts";

/** One session that a node would have otherwise than now. */
export interface SessionChange {
  readonly change: "added" | "removed" | "changed";
  readonly name: string;
  readonly neighbor: Session["neighbor"];
  /** What is not as it was: fields of Session, or `filters` for what its filters say. Never a value: one may be a password. */
  readonly fields: readonly string[];
}

/** What changes in a node's sessions, in the order of the configuration; a session is known by its neighbour. */
export function sessionChanges(
  before: BirdConfig | undefined,
  after: BirdConfig | undefined,
): readonly SessionChange[] {
  const [old, now] = [sessionsByNeighbor(before), sessionsByNeighbor(after)];
  const removed = [...old.values()].filter(({ neighbor }) => !now.has(neighbor));
  return [
    ...removed.map((session) => changeOf("removed", session, [])),
    ...[...now.values()].flatMap((session) => {
      const known = old.get(session.neighbor);
      if (known === undefined) return [changeOf("added", session, [])];
      const fields = [...changedFields(known, session), ...changedFilters(known, session, { before, after })];
      return fields.length === 0 ? [] : [changeOf("changed", session, fields)];
    }),
  ];
}

// --- internal ---

function changeOf(
  change: SessionChange["change"],
  { name, neighbor }: Session,
  fields: readonly string[],
): SessionChange {
  return { change, name, neighbor, fields };
}

/** A session that is asked for by another object under another name goes on as it is. */
const ofNoMatter: readonly string[] = ["name", "kind"] satisfies (keyof Session)[];

function changedFields(before: Session, after: Session): readonly string[] {
  const fields = new Set([...Object.keys(before), ...Object.keys(after)]) as Set<keyof Session>;
  return [...fields].filter((field) => !ofNoMatter.includes(field) && !isEqual(before[field], after[field])).sort();
}

function isEqual(a: Session[keyof Session], b: Session[keyof Session]): boolean {
  return a === b || (typeof a === "object" && JSON.stringify(a) === JSON.stringify(b));
}

function changedFilters(
  { importFilters, exportFilters }: Session,
  session: Session,
  { before, after }: { readonly before: BirdConfig | undefined; readonly after: BirdConfig | undefined },
): readonly string[] {
  const names = [...importFilters, ...exportFilters];
  // Other names are a change of the fields themselves.
  if (names.join() !== [...session.importFilters, ...session.exportFilters].join()) return [];
  const text = (config: BirdConfig | undefined) =>
    JSON.stringify(config?.filters.filter(({ name }) => names.includes(name)));
  return names.length > 0 && text(before) !== text(after) ? ["filters"] : [];
}
