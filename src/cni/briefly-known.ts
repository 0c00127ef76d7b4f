import type { Clock } from "../net/clock.ts";

/**
 * `read`, whose answer does for whoever asks within a second: pods mostly come many at once, and what it tells of the node changes
 * seldom. A failure is told to those who wait for it, and to nobody else.
 */
export function brieflyKnown<N extends { readonly clock: Pick<Clock, "monotonicNow"> }, T>(
  read: (node: N) => Promise<T>,
): (node: N) => Promise<T> {
  const found = new WeakMap<N, { readonly at: number; readonly answer: Promise<T> }>();
  return (node) => {
    const now = node.clock.monotonicNow();
    const last = found.get(node);
    if (last !== undefined && now - last.at < ageLimitMs) return last.answer;
    const answer = read(node);
    found.set(node, { at: now, answer });
    // Who asks next may fare better.
    answer.catch(() => found.delete(node));
    return answer;
  };
}

// --- internal ---

const ageLimitMs = 1000;
