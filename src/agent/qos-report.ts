import type { EndpointPlan } from "../felix/calc/plan.ts";
import type { Logger } from "./logger.ts";

/** Tells once what of the pods' wishes about bandwidth cannot be had: again only when it is something else. */
export class QosReport {
  readonly #logger: Logger;
  readonly #told = new Map<string, string>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Takes the endpoints of a plan, by interface. */
  look(endpoints: ReadonlyMap<string, EndpointPlan>): void {
    for (const hostInterface of this.#told.keys()) {
      if (!endpoints.get(hostInterface)?.qos?.problems.length) this.#told.delete(hostInterface);
    }
    for (const [hostInterface, { qos, addresses }] of endpoints) {
      if (qos === undefined || qos.problems.length === 0) continue;
      const { problems } = qos;
      const text = problems.join("; ");
      if (this.#told.get(hostInterface) === text) continue;
      this.#told.set(hostInterface, text);
      this.#logger.warn(
        { interface: hostInterface, addresses, problems },
        "a pod's bandwidth annotations do not all count",
      );
    }
  }
}
