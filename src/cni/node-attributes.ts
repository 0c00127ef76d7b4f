import type { Labels } from "../api/objects.ts";
import type { CniDependencies } from "./dependencies.ts";

/** What is kept beside an allocation, whoever holds it: upstream's names. */
export function nodeAttributes({ nodeName, clock }: Pick<CniDependencies, "nodeName" | "clock">): Labels {
  return { node: nodeName, timestamp: new Date(clock.now()).toISOString() };
}
