/** How often writes came second in one round of so many nodes. */
export interface Retries {
  readonly nodes: number;
  readonly retries: number;
}

/**
 * The `e` for which `retries ~ nodes ** e` fits the rounds best (least squares of the logarithms): 1 when twice the nodes
 * retry twice as often in all, 2 when every node gets in the way of every other. Each round counts one retry more than
 * there were, as none has no logarithm.
 */
export function growthExponent(rounds: readonly Retries[]): number {
  const points = rounds.map(({ nodes, retries }) => ({ x: Math.log(nodes), y: Math.log(retries + 1) }));
  const meanX = mean(points.map(({ x }) => x));
  const meanY = mean(points.map(({ y }) => y));
  const shared = points.map(({ x, y }) => (x - meanX) * (y - meanY));
  const spread = points.map(({ x }) => (x - meanX) ** 2);
  return mean(shared) / mean(spread);
}

// --- internal ---

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
