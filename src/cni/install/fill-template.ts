import { InstallSettingsError } from "./settings.ts";

/**
 * The template with each placeholder `__NAME__` replaced by its value, in one pass: what a value holds is never looked at
 * again. Within a JSON string the value is escaped as part of one; outside of any, a number stays a number and the rest
 * becomes a string. So no value can end a string or add a field. Throws an `InstallSettingsError` for a name not in `values`.
 */
export function fillTemplate(template: string, values: Readonly<Record<string, string>>): string {
  const unknown = new Set<string>();
  const look = (name: string): string => {
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    if (value === undefined) unknown.add(`__${name}__`);
    return value ?? "";
  };
  const filled = template.replace(stringOrPlaceholder, (part, name: string | undefined) =>
    name === undefined
      ? part.replace(placeholder, (_, inner: string) => JSON.stringify(look(inner)).slice(1, -1))
      : scalarOf(look(name)),
  );
  if (unknown.size === 0) return filled;
  const known = Object.keys(values).map((name) => `__${name}__`);
  throw new InstallSettingsError([
    `the template has ${[...unknown].join(", ")}, and what can be filled in is ${known.join(", ")}`,
  ]);
}

/** Whether the template asks for the value of this name. */
export function asksFor(template: string, name: string): boolean {
  return template.includes(`__${name}__`);
}

// --- internal ---

const placeholder = /__([A-Z0-9]+(?:_[A-Z0-9]+)*)__/g;
const stringOrPlaceholder = /"(?:[^"\\]|\\.)*"|__([A-Z0-9]+(?:_[A-Z0-9]+)*)__/gs;

function scalarOf(value: string): string {
  return /^(0|[1-9]\d*)$/.test(value) ? value : JSON.stringify(value);
}
