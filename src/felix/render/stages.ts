import type { Rule, TableName } from "./desired-state.ts";
import { type Direction, failsafeChain, type HostChain } from "./names.ts";
import type { Family, RenderOptions } from "./options.ts";
import { remember } from "./remember.ts";
import type { Stage } from "./stage-rules.ts";

/** A table, and which of a host endpoint's chains in it. */
export type HostStageKey = `${Exclude<TableName, "nat">}/${HostChain}`;

/** The chains of workloads, and those of host endpoints by where they stand, for either family. */
export interface Stages {
  readonly workload: Readonly<Record<Direction, Stage>>;
  readonly host: ReadonlyMap<HostStageKey, Stage>;
}

/** The stages of a family, the same objects each time: both families have the same, and so what is made of them. */
export function stagesOf({ options }: Pick<Family, "options">): Stages {
  return stagesBy(options);
}

// --- internal ---

const stagesBy = remember((options: RenderOptions): Stages => {
  const { marks, allowInvalid, denyAction: deny, allowAction } = options;
  const stage = (direction: Direction, known: Stage["known"], first: readonly Rule[] = []): Stage => ({
    ...{ direction, known, first, allowInvalid, deny, marks },
  });
  const allow = allowAction.filter === "accept" ? "accept" : "mark";
  const failsafe = (direction: Direction, known: Stage["known"]) => stage(direction, known, toFailsafes[direction]);
  return {
    workload: {
      ingress: stage("ingress", allow),
      // It may be bound for another endpoint here.
      egress: stage("egress", "return", tunnelRules(options)),
    },
    host: new Map<HostStageKey, Stage>([
      ["raw/fh", failsafe("ingress", "untracked")],
      ["raw/th", failsafe("egress", "untracked")],
      ["mangle/fh", failsafe("ingress", "return")],
      // What the node itself sends to a Service: its interface is known here, and not yet in filter.
      ["mangle/th", failsafe("egress", "return")],
      ["filter/fh", failsafe("ingress", allow)],
      ["filter/th", failsafe("egress", allow)],
      ["filter/fhfw", stage("ingress", "mark")],
      ["filter/thfw", stage("egress", allow)],
    ]),
  };
});

const toFailsafes: Readonly<Record<Direction, readonly Rule[]>> = {
  ingress: [{ matches: [], action: { kind: "jump", chain: failsafeChain.ingress } }],
  egress: [{ matches: [], action: { kind: "jump", chain: failsafeChain.egress } }],
};

/** Policy would see the outside of such a packet only. */
function tunnelRules({ allowFromWorkloads, vxlanPort, denyAction }: RenderOptions): readonly Rule[] {
  const port = { first: vxlanPort, last: vxlanPort };
  const deny = { kind: denyAction };
  const vxlan: Rule = {
    matches: [
      { kind: "protocol", protocol: 17, negated: false },
      { kind: "ports", side: "destination", ports: [port], negated: false },
    ],
    action: deny,
    comment: "Workloads make no VXLAN tunnels",
  };
  const ipip: Rule = {
    matches: [{ kind: "protocol", protocol: 4, negated: false }],
    action: deny,
    comment: "Workloads make no IPIP tunnels",
  };
  return [...(allowFromWorkloads.vxlan ? [] : [vxlan]), ...(allowFromWorkloads.ipip ? [] : [ipip])];
}
