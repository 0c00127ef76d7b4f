/** The code that is judged, and the same code when it is not told everything. */
import type { GlobalNetworkPolicy } from "../../src/api/global-network-policy.ts";
import { type Change, isRejected, type Rejected, type Snapshot } from "../../src/api/snapshot.ts";
import { NodeCalculator } from "../../src/felix/calc/node-calculator.ts";
import type { Planner } from "./judge.ts";
import { viewOf } from "./random-cluster.ts";

/** What the agent does: every object of the node's view, one after the other. */
export const calculate: Planner = (one, node) => {
  const calculator = new NodeCalculator(node);
  for (const [kind, objects] of Object.entries(viewOf(one, node))) {
    for (const [key, value] of objects) calculator.apply([{ kind, key, value } as Change]);
  }
  return calculator.plan();
};

/** It, if it knew the cluster only as `seen` says. */
export function calculateFrom(seen: (snapshot: Snapshot) => Partial<Snapshot>): Planner {
  return (one, node) => calculate({ ...one, snapshot: { ...one.snapshot, ...seen(one.snapshot) } }, node);
}

/** Each must be seen by the judge: objects, or parts of them, that nothing is made of. */
export const forgetfulPlanners: Readonly<Record<string, Planner>> = {
  "Kubernetes policies of one namespace": calculateFrom(({ networkPolicy }) => ({
    networkPolicy: new Map([...networkPolicy].filter(([key]) => !key.startsWith("ns-1/"))),
  })),
  "cluster policies": calculateFrom(() => ({ clusterNetworkPolicy: new Map() })),
  "policies of a namespace": calculateFrom(() => ({ calicoNetworkPolicy: new Map() })),
  "global policies": calculateFrom(() => ({ globalNetworkPolicy: new Map() })),
  "what could not be read": calculateFrom(({ globalNetworkPolicy }) => ({
    globalNetworkPolicy: new Map([...globalNetworkPolicy].filter(([, value]) => !isRejected(value))),
  })),
  "the order of policies": calculateFrom(({ globalNetworkPolicy }) => ({
    globalNetworkPolicy: new Map([...globalNetworkPolicy].map(([key, one]) => [key, withoutOrder(one)])),
  })),
  "the labels of namespaces": calculateFrom(({ namespace }) => ({
    namespace: new Map([...namespace].map(([key, one]) => [key, { ...one, labels: {} }])),
  })),
  tiers: calculateFrom(() => ({ tier: new Map() })),
  "network sets": calculateFrom(() => ({ networkSet: new Map() })),
  "global network sets": calculateFrom(() => ({ globalNetworkSet: new Map() })),
  "service accounts": calculateFrom(() => ({ serviceAccount: new Map() })),
  "the endpoints of Services": calculateFrom(() => ({ endpointSlice: new Map() })),
  "host endpoints": calculateFrom(() => ({ hostEndpoint: new Map() })),
  "the names of ports": calculateFrom(({ pod }) => ({
    pod: new Map([...pod].map(([key, one]) => [key, { ...one, namedPorts: [] }])),
  })),
  "to whom an address was given": calculateFrom(() => ({ ipamBlock: new Map() })),
};

// --- internal ---

function withoutOrder(policy: GlobalNetworkPolicy | Rejected): GlobalNetworkPolicy | Rejected {
  return isRejected(policy) ? policy : { ...policy, spec: { ...policy.spec, order: undefined } };
}
