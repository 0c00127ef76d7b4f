import { isRejected } from "../../api/snapshot.ts";
import { feeds } from "../../kube/fed-kinds.ts";
import type { RejectedObject } from "../../kube/rejected-objects.ts";
import type { Controller, ControllerParts } from "../controller.ts";
import { tieredPolicyKinds } from "../tiers/tier-labels.ts";
import { httpRemarks, type Remark, rejectedRemarks } from "./remarks.ts";

/** What the controller works with, beside what every controller does. */
export interface PolicyReportOptions extends ControllerParts {
  /** Every object that cannot be read as it stands now. */
  readonly rejected: () => readonly RejectedObject[];
}

/**
 * Tells by event, once for each version of an object, what is not in force as its author wrote it: objects that cannot be
 * read, and rules that nothing here can check. The nodes' agents do not: each would say the same.
 */
export class PolicyReportController implements Controller {
  readonly name = "policy-report";
  readonly watches = tieredPolicyKinds;
  readonly #options: PolicyReportOptions;
  #told: ReadonlySet<string> = new Set();

  constructor(options: PolicyReportOptions) {
    this.#options = options;
  }

  /** An object that cannot be read may count as absent, and is then no change. */
  dueInMs(): number {
    return everyMs;
  }

  async pass(): Promise<void> {
    const remarks = new Map(this.#remarks().map((remark) => [keyOf(remark), remark]));
    for (const [key, { subject, reason, message }] of remarks) {
      if (!this.#told.has(key)) this.#options.events.record(subject, "Warning", reason, message);
    }
    this.#told = new Set(remarks.keys());
  }

  #remarks(): readonly Remark[] {
    const { snapshot, rejected } = this.#options;
    const policies = tieredPolicyKinds.flatMap((kind) =>
      [...snapshot[kind].values()].flatMap((policy) =>
        isRejected(policy) ? [] : httpRemarks(feeds[kind].resource, policy),
      ),
    );
    return [...rejectedRemarks(rejected()), ...policies];
  }
}

// --- internal ---

const everyMs = 5_000;

function keyOf({ subject: { kind, namespace = "", name, uid = "" }, reason, message }: Remark): string {
  return JSON.stringify([kind.group, kind.kind, namespace, name, uid, reason, message]);
}
