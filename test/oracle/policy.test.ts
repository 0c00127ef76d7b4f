import fc from "fast-check";
import { expect, test } from "vitest";
import { assertAgreement, decisionsText, noTally, tallyText } from "./agreement.ts";
import { backendOptions, findDisagreement, type Trial, type Trying } from "./judge.ts";
import { mapMutations, mutations } from "./mutations.ts";
import { calculate, calculateFrom, forgetfulPlanners } from "./planners.ts";
import { cluster } from "./random-cluster.ts";

/** Fewer would say little. */
const leastPackets = 20_000;

test("rendered rules do with every packet what the specification says", { timeout: 120_000 }, () => {
  const tally = noTally();
  for (const options of backends) assertAgreement({ planner: calculate, options }, tally, { numRuns: 150 });
  process.stdout.write(`judges agree: ${tallyText(tally)}\n${decisionsText(tally)}\n`);
  expect(tally.packets).toBeGreaterThanOrEqual(leastPackets);
  // What nobody forbids, or nobody allows, would be easy to agree on.
  expect(tally.allowed / tally.packets).toBeGreaterThan(0.25);
  expect(tally.denied / tally.packets).toBeGreaterThan(0.25);
  const never = oftenEnough.filter((what) => !tally.by.has(what));
  expect(never).toEqual([]);
});

test.for(Object.keys(mutations))("the judge sees the planted fault: %s", { timeout: 60_000 }, (name) => {
  const spoil = mutations[name];
  for (const options of backends) {
    expect(firstDisagreement({ planner: calculate, options, ...(spoil && { spoil }) }), options.backend).toBeDefined();
  }
});

test.for(Object.keys(mapMutations))("the judge sees the planted fault in maps: %s", { timeout: 60_000 }, (name) => {
  const spoil = mapMutations[name];
  const options = backendOptions.nftables;
  expect(firstDisagreement({ planner: calculate, options, ...(spoil && { spoil }) })).toBeDefined();
});

test.for(Object.keys(forgetfulPlanners))("the judge sees what was forgotten: %s", { timeout: 60_000 }, (name) => {
  expect(firstDisagreement({ planner: forgetfulPlanners[name] ?? calculate })).toBeDefined();
});

test("the judge sees an address lent to a pod that no node has", { timeout: 60_000 }, () => {
  const hasty = calculateFrom(({ pod }) => ({
    pod: new Map([...pod].map(([key, each]) => [key, { ...each, node: each.node ?? ("node-c" as never) }])),
  }));
  expect(firstDisagreement({ planner: hasty })).toBeDefined();
});

test("a disagreement is told as documents to apply, with the packet and both answers", { timeout: 60_000 }, () => {
  const spoil = mutations["end of tier does not drop"];
  const told = () =>
    assertAgreement({ planner: calculate, ...(spoil && { spoil }) }, noTally(), { numRuns: 50, seed: 1 });
  expect(told).toThrow(
    /seed 1[\s\S]*# packet: [\s\S]*# specification: denied[\s\S]*end of tier[\s\S]*kind: Namespace[\s\S]*Policy\n/,
  );
});

// --- internal ---

const backends = Object.values(backendOptions);

/** Every kind of policy decides both ways, and every stage is asked. */
const oftenEnough = [
  "pod: Kubernetes NetworkPolicy allow",
  "pod: ClusterNetworkPolicy allow",
  "pod: ClusterNetworkPolicy deny",
  "pod: NetworkPolicy allow",
  "pod: NetworkPolicy deny",
  "pod: GlobalNetworkPolicy allow",
  "pod: GlobalNetworkPolicy deny",
  "pod: end of tier deny",
  "pod: profile allow",
  "pod: known connection allow",
  "host: GlobalNetworkPolicy allow",
  "host: GlobalNetworkPolicy deny",
  "host: profile allow",
  "host: profile deny",
  "host: failsafe port allow",
  "forward: GlobalNetworkPolicy allow",
  "forward: GlobalNetworkPolicy deny",
  "forward: end of tier deny",
  "untracked: GlobalNetworkPolicy allow",
  "untracked: GlobalNetworkPolicy deny",
  "preDnat: GlobalNetworkPolicy allow",
  "preDnat: GlobalNetworkPolicy deny",
];

/** The same each time, so that a fault that is seen stays seen. */
const clusters = fc.sample(cluster, { numRuns: 300, seed: 1 });

/** Undefined also when judging threw: a fault must be seen as a disagreement. */
function firstDisagreement(trying: Trying): Trial | undefined {
  for (const one of clusters) {
    const found = findDisagreement(one, trying);
    if (found !== undefined) return found;
  }
  return undefined;
}
