import { type Cidr, parseCidr } from "../../net/cidr.ts";
import type { Labels } from "../objects.ts";
import { quoteAnnotated, readAnnotatedList } from "./annotated-list.ts";

/** The annotation that names networks from which a pod wants to send besides its own addresses. */
export const sourcePrefixesAnnotation = "cni.projectcalico.org/allowedSourcePrefixes";

/** What a pod's annotation asks for, and what of it cannot be read: one sentence each. */
export interface ParsedSourcePrefixes {
  /** Each once, in the annotation's order, without host bits. */
  readonly networks: readonly Cidr[];
  readonly problems: readonly string[];
}

/**
 * Reads a list of networks in JSON, each with its length, as upstream has them. Empty text says nothing. More than 100 networks are
 * left out: each is a rule.
 */
export function parseSourcePrefixes(annotations: Labels): ParsedSourcePrefixes {
  const { words, problems } = readAnnotatedList(annotations, list);
  const networks = new Set<Cidr>();
  const strange: string[] = [];
  for (const word of words) {
    const network = networkOf(word);
    if (network === undefined) strange.push(word);
    else networks.add(network);
  }
  const named = strange
    .slice(0, mostNamed)
    .map(
      (word) => `${list.annotation}: ${quoteAnnotated(word)} is left out: it is not a network such as ${list.example}`,
    );
  if (strange.length > mostNamed) named.push(`${list.annotation}: so are ${strange.length - mostNamed} more`);
  return { networks: [...networks], problems: [...named, ...problems] };
}

// --- internal ---

const list = { annotation: sourcePrefixesAnnotation, of: "networks", example: "192.0.2.0/24", most: 100 };
/** Whoever makes pods must not fill the log. */
const mostNamed = 3;

function networkOf(word: string): Cidr | undefined {
  if (!word.includes("/")) return undefined;
  try {
    return parseCidr(word);
  } catch {
    // The caller says which it is.
    return undefined;
  }
}
