import { type Cidr, cidrVersion } from "../../net/cidr.ts";
import { compareText } from "../../net/compare-text.ts";
import type { IpVersion } from "../../net/ip.ts";
import type { NodePlan } from "../calc/plan.ts";
import type { Rule } from "./desired-state.ts";
import { remember } from "./remember.ts";

/** From where one workload may send besides its own addresses. */
export interface ForeignSource {
  readonly hostInterface: string;
  readonly network: Cidr;
}

/** Those of a family, by interface and then as the pods name them; the same array for the same map. */
export function foreignSources(endpoints: NodePlan["endpoints"], version: IpVersion): readonly ForeignSource[] {
  return sourcesOf(endpoints)[version];
}

/** Where packets go whose source is not an address of their workload; upstream has the same rules there. */
export const foreignSourcesChain = "cali-rpf-skip";

/** Why packets are dropped that do not come from where they say. */
export const spoofedComment = "Source is not an address of this workload";

/** What is allowed goes on to the rules behind, and all else is dropped. */
export function foreignSourceRules(sources: readonly ForeignSource[]): readonly Rule[] {
  return [
    ...sources.map(
      ({ hostInterface, network }): Rule => ({
        matches: [
          { kind: "in-interface", name: hostInterface, negated: false },
          { kind: "net", side: "source", net: network, negated: false },
        ],
        action: { kind: "return" },
      }),
    ),
    { matches: [], action: { kind: "drop" }, comment: spoofedComment },
  ];
}

// --- internal ---

const sourcesOf = remember(
  (endpoints: NodePlan["endpoints"]): Readonly<Record<IpVersion, readonly ForeignSource[]>> => {
    const all = [...endpoints.values()]
      .flatMap(({ hostInterface, foreignSources = [] }) =>
        foreignSources.map((network) => ({ hostInterface, network })),
      )
      .toSorted((a, b) => compareText(a.hostInterface, b.hostInterface));
    const of = (version: IpVersion) => all.filter(({ network }) => cidrVersion(network) === version);
    return { 4: of(4), 6: of(6) };
  },
);
