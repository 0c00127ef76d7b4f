import { messageOf } from "../net/message-of.ts";

/**
 * Does `action` for each of `items` in turn; one that fails does not stop the rest. Throws one Error with the sentence
 * of each failure when there was any.
 */
export async function forEachObject<T>(items: readonly T[], action: (item: T) => Promise<void>): Promise<void> {
  const failures: unknown[] = [];
  for (const item of items) await action(item).catch((cause: unknown) => failures.push(cause));
  if (failures.length === 1) throw failures[0];
  if (failures.length > 1) throw new AggregateError(failures, failures.map(messageOf).join("\n"));
}
