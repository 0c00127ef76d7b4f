import fc from "fast-check";
import { expect, test } from "vitest";
import type { NodeName } from "../../../src/api/names.ts";
import type { BirdConfig } from "../../../src/bgp/plan/bird-config.ts";
import { lostPairs } from "../../../src/bgp/simulate/lost-pairs.ts";
import { type SimulatedNetwork, simulate } from "../../../src/bgp/simulate/simulate.ts";
import { configsOf, outsideOf, topologyChanges } from "./random-topologies.ts";
import { letThemSpeak } from "./speakers.ts";

test("300 random changes of a topology: who is out of reach is as speakers find out by sending each other UPDATEs", () => {
  const figures = { changes: 0, losing: 0, partlyReached: 0, down: 0, doubtful: 0 };
  const property = fc.property(topologyChanges, fc.integer(), (change, seed) => {
    const random = randomOf(seed);
    const [before, after] = change.map((topology) => {
      const configs = configsOf(topology);
      const outside = outsideOf(topology);
      const predicted = simulate(configs, outside);
      if (predicted.doubtful.length > 0) {
        figures.doubtful += 1;
        return predicted;
      }
      const judged = letThemSpeak(configs, outside, random);
      expect({ unreached: unreachedOf(predicted), established: predicted.established }).toEqual({
        unreached: judged.unreached,
        established: judged.sessions.length,
      });
      expect(predicted.down.length).toBe(downOf(configs, judged.sessions));
      return predicted;
    }) as [SimulatedNetwork, SimulatedNetwork];
    figures.changes += 1;
    figures.losing += lostPairs(before, after).length > 0 ? 1 : 0;
    const unreached = unreachedOf(after).length;
    figures.partlyReached +=
      unreached > 0 && after.blocks.some(({ unreachedFrom }) => unreachedFrom.length === 0) ? 1 : 0;
    figures.down += after.down.length > 0 ? 1 : 0;
  });
  fc.assert(property, { numRuns: 300, seed: 4271 });
  expect(figures.losing).toBeGreaterThan(10);
  // Only where ways multiply beyond counting is there no judge.
  expect(figures.doubtful).toBeLessThan(10);
  expect(figures.down).toBeGreaterThan(30);
  expect(figures.partlyReached).toBeGreaterThan(30);
}, 120_000);

test("the mesh reaches everywhere, whatever the nodes' AS numbers and ports are", () => {
  const property = fc.property(topologyChanges, ([{ nodes }]) => {
    const there = nodes.map((node) => ({ ...node, isThere: true, cluster: undefined }));
    const plain = { meshSecret: undefined, reflected: undefined, racks: [], single: [], hidesSecondPool: false };
    const { blocks, down, established } = simulate(configsOf({ nodes: there, mesh: true, ...plain }));
    expect({ unreached: blocks.flatMap(({ unreachedFrom }) => unreachedFrom), down, established }).toEqual({
      ...{ unreached: [], down: [], established: (nodes.length * (nodes.length - 1)) / 2 },
    });
  });
  fc.assert(property, { numRuns: 200, seed: 4271 });
});

// --- internal ---

/** mulberry32: from 0 up to, not including, 1. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

function unreachedOf({ blocks }: SimulatedNetwork): readonly string[] {
  return blocks.flatMap(({ network, unreachedFrom }) => unreachedFrom.map((from) => `${from} > ${network}`)).sort();
}

/** Configured ends without a session. */
function downOf(configs: ReadonlyMap<NodeName, BirdConfig>, sessions: readonly string[]): number {
  const ends = [...configs].flatMap(([node, { families }]) =>
    families.flatMap((family) => family.sessions.map(({ neighbor }) => ({ node, neighbor }))),
  );
  const nodeAt = new Map(
    [...configs].flatMap(([node, { families }]) => families.map(({ address }) => [address, node])),
  );
  const name = (end: (typeof ends)[number]) => [end.node, nodeAt.get(end.neighbor) ?? end.neighbor].sort().join(" - ");
  return ends.filter((end) => !sessions.includes(name(end))).length;
}
