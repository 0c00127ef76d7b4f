import type { NamespacedName } from "../../api/names.ts";
import type { Selector } from "../../api/selector/selector.ts";
import type { PolicyId, PolicyPlan, SetId } from "./plan.ts";

/** One policy of whatever kind in the terms of the plan, with what is needed to know whom it concerns and when. */
export interface CompiledPolicy {
  readonly id: PolicyId;
  /** The name of its tier, which need not exist. */
  readonly tier: string;
  /** Lower is earlier; Infinity for a policy that has none. Equals stand in the order of `sortName`. */
  readonly order: number;
  /** `name/namespace/kind`, as upstream breaks ties. */
  readonly sortName: string;
  /** Only endpoints of this namespace can have it; undefined: any, those of the node itself included. */
  readonly namespace: string | undefined;
  /** Over endpoint labels (`endpointLabels`); it holds for endpoints of `namespace` alone, if that is given. */
  readonly appliesTo: Selector;
  readonly applies: { readonly ingress: boolean; readonly egress: boolean };
  /** At which stages host endpoints have it; a workload endpoint has `normal` policies alone. */
  readonly stage: "normal" | "untracked" | "preDnat";
  /** A normal policy that host endpoints have for forwarded packets as well. */
  readonly applyOnForward: boolean;
  readonly plan: PolicyPlan;
  /** The sets that the plan's rules name. */
  readonly sets: ReadonlyMap<SetId, SetSource>;
}

/** What a set's members are. */
export type SetSource = SelectedAddresses | SelectedPorts | ServiceMembers;

/** The addresses of the pods and host endpoints, and the networks of the network sets, that `selector` matches. */
export interface SelectedAddresses {
  readonly kind: "addresses";
  readonly id: SetId;
  readonly selector: Selector;
  /** Only what is in this namespace can match; undefined: of any, and of none. */
  readonly namespace: string | undefined;
}

/** The ports called `portName` of the pods and host endpoints that `selector` matches. */
export interface SelectedPorts {
  readonly kind: "ports";
  readonly id: SetId;
  readonly selector: Selector;
  readonly namespace: string | undefined;
  readonly portName: string;
  /** IANA protocol number; undefined: of any protocol. */
  readonly protocol: number | undefined;
}

/** The endpoints of a Service by its EndpointSlices, with or without their ports. */
export interface ServiceMembers {
  readonly kind: "service-addresses" | "service-ports";
  readonly id: SetId;
  readonly service: NamespacedName;
}
