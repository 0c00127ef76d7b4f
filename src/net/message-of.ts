/** What was thrown, as text for a sentence: an Error's message, and of anything else what `String` makes of it. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
