/** Text of others as JSON, for a sentence: on one line, and not longer than a person reads. */
export function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? "missing";
  return text.length <= longest ? text : `${text.slice(0, longest)}… (${text.length} characters)`;
}

// --- internal ---

const longest = 200;
