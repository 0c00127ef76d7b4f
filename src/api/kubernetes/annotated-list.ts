import type { Labels } from "../objects.ts";

/** An annotation that lists something in JSON. */
export interface AnnotatedList {
  readonly annotation: string;
  /** What is listed, in the plural. */
  readonly of: string;
  /** One of them. */
  readonly example: string;
  /** What is behind so many is left out. */
  readonly most: number;
}

/** The texts that a pod's annotation lists, and what of it is left out: at most one sentence. Empty text says nothing. */
export function readAnnotatedList(
  annotations: Labels,
  { annotation, of, example, most }: AnnotatedList,
): { readonly words: readonly string[]; readonly problems: readonly string[] } {
  const text = annotations[annotation] ?? "";
  if (text === "") return { words: [], problems: [] };
  const words = parseJson(text);
  if (!Array.isArray(words) || !words.every((one) => typeof one === "string")) {
    const why = `${quoteAnnotated(text)} is not a list of ${of} in JSON, such as ["${example}"]`;
    return { words: [], problems: [`${annotation} is left out: ${why}`] };
  }
  const problems = words.length > most ? [`${annotation}: all after the first ${most} ${of} are left out`] : [];
  return { words: words.slice(0, most), problems };
}

/** What somebody wrote into an annotation, as a sentence has it: not all of it, if it is long. */
export function quoteAnnotated(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}

// --- internal ---

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Nothing that JSON can be is undefined: the caller refuses it as it does any other value.
    return undefined;
  }
}
