import type { NodePlan } from "../felix/calc/plan.ts";
import type { FelixSettings } from "../felix/config/felix-settings.ts";
import { openConntrackNetlink } from "../host/netlink/conntrack-netlink.ts";
import { openNetlink } from "../host/netlink/route-netlink.ts";
import { writeSysctl } from "../host/sysctl.ts";
import type { Clock } from "../net/clock.ts";
import type { Ip } from "../net/ip.ts";
import type { Logger } from "./logger.ts";
import { PolicyConnections } from "./policy-connections.ts";

/** Looks after established connections that changed policy forbids, in the way that is configured now. */
export class ConnectionKeeper {
  readonly #parts: { readonly clock: Clock; readonly logger: Logger };
  #mode: FelixSettings["policyChangeConnections"] = "keep";
  #looking: PolicyConnections | undefined;
  /** Its own: a search walks the whole table, and the end of a pod must not wait behind it. */
  readonly #connections = openConntrackNetlink();
  #last: NodePlan | undefined;

  constructor(parts: { readonly clock: Clock; readonly logger: Logger }) {
    this.#parts = parts;
  }

  configure(mode: FelixSettings["policyChangeConnections"]): void {
    if (mode === this.#mode) return;
    this.#mode = mode;
    this.#looking?.stop();
    this.#looking = mode === "keep" ? undefined : this.#make(mode);
    if (this.#last !== undefined) this.#looking?.applied(this.#last);
  }

  /** The kernel has acknowledged the plan. */
  applied(plan: NodePlan): void {
    this.#last = plan;
    this.#looking?.applied(plan);
  }

  /** No look begins any more. Resolves when none runs. */
  async stop(): Promise<void> {
    this.#looking?.stop();
    await this.#looking?.ended();
    this.#connections.close();
  }

  #make(mode: "report" | "end"): PolicyConnections {
    return new PolicyConnections({
      ...{ ...this.#parts, mode, connections: this.#connections, ownAddresses },
      writeSysctl: (key, value) => writeSysctl(undefined, key, value),
    });
  }
}

// --- internal ---

async function ownAddresses(): Promise<readonly Ip[]> {
  const netlink = openNetlink();
  try {
    return (await netlink.addresses()).map(({ ip }) => ip);
  } finally {
    netlink.close();
  }
}
