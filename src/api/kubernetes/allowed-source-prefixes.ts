import { type Cidr, parseCidr } from "../../net/cidr.ts";
import type { Labels } from "../objects.ts";

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
  const text = annotations[sourcePrefixesAnnotation] ?? "";
  if (text === "") return { networks: [], problems: [] };
  const words = parseJson(text);
  if (!Array.isArray(words) || !words.every((one) => typeof one === "string")) {
    const why = `${quote(text)} is not a list of networks in JSON, such as ["192.0.2.0/24"]`;
    return { networks: [], problems: [`${sourcePrefixesAnnotation} is left out: ${why}`] };
  }
  const networks = new Set<Cidr>();
  const strange: string[] = [];
  for (const word of words.slice(0, mostNetworks)) {
    const network = networkOf(word);
    if (network === undefined) strange.push(word);
    else networks.add(network);
  }
  const problems = strange
    .slice(0, mostNamed)
    .map((word) => `${sourcePrefixesAnnotation}: ${quote(word)} is left out: it is not a network such as 192.0.2.0/24`);
  if (strange.length > mostNamed)
    problems.push(`${sourcePrefixesAnnotation}: so are ${strange.length - mostNamed} more`);
  if (words.length > mostNetworks) {
    problems.push(`${sourcePrefixesAnnotation}: all after the first ${mostNetworks} networks are left out`);
  }
  return { networks: [...networks], problems };
}

// --- internal ---

const mostNetworks = 100;
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

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 60));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Nothing that JSON can be is undefined: the caller refuses it as it does any other value.
    return undefined;
  }
}
