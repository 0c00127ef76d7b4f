import { compareText } from "../../net/compare-text.ts";
import type { FloatingIp, NodePlan } from "../calc/plan.ts";
import { remember } from "./remember.ts";

/** An address that stands for a local endpoint's. */
export interface FloatingAddress extends FloatingIp {
  readonly hostInterface: string;
}

/** The floating addresses of these endpoints, in the order of their texts. The same array for the same map. */
export const floatingAddresses = remember((endpoints: NodePlan["endpoints"]): readonly FloatingAddress[] =>
  [...endpoints.values()]
    .flatMap(({ hostInterface, floatingIps = [] }) => floatingIps.map((one) => ({ ...one, hostInterface })))
    .toSorted((a, b) => compareText(a.external, b.external)),
);
