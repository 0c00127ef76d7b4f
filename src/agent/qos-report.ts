import { sourcePrefixesAnnotation } from "../api/kubernetes/allowed-source-prefixes.ts";
import type { EndpointPlan } from "../felix/calc/plan.ts";
import type { RenderOptions } from "../felix/render/options.ts";
import type { Logger } from "./logger.ts";

/** Tells once what of the wishes in pods' annotations cannot be had: again only when it is something else. */
export class QosReport {
  readonly #logger: Logger;
  readonly #told = new Map<string, string>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Takes the endpoints of a plan, by interface, and how it goes into the kernel. */
  look(endpoints: ReadonlyMap<string, EndpointPlan>, options: Pick<RenderOptions, "foreignSources">): void {
    for (const hostInterface of this.#told.keys()) {
      if (!problemsOf(endpoints.get(hostInterface), options).length) this.#told.delete(hostInterface);
    }
    for (const [hostInterface, endpoint] of endpoints) {
      const problems = problemsOf(endpoint, options);
      if (problems.length === 0) continue;
      const { addresses } = endpoint;
      const text = problems.join("; ");
      if (this.#told.get(hostInterface) === text) continue;
      this.#told.set(hostInterface, text);
      this.#logger.warn({ interface: hostInterface, addresses, problems }, "a pod's annotations do not all count");
    }
  }
}

// --- internal ---

const none: readonly string[] = [];

function problemsOf(
  endpoint: EndpointPlan | undefined,
  options: Pick<RenderOptions, "foreignSources">,
): readonly string[] {
  const { qos, problems = none, foreignSources } = endpoint ?? {};
  const isForbidden = foreignSources !== undefined && !options.foreignSources;
  if (qos === undefined && !isForbidden) return problems;
  return [...(qos?.problems ?? none), ...problems, ...(isForbidden ? [forbidden] : none)];
}

const forbidden = `${sourcePrefixesAnnotation} is left out: workloadSourceSpoofing of FelixConfiguration is Disabled`;
