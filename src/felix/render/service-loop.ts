import { cidrVersion } from "../../net/cidr.ts";
import type { Rule } from "./desired-state.ts";
import type { Family } from "./options.ts";
import { remember } from "./remember.ts";

/** The chain that ends packets to Services that there are not. */
export const serviceLoopChain = "cali-cidr-block";

/**
 * What becomes of a packet that is still for a Service's address behind kube-proxy's rules, and for no workload here: where
 * those networks are advertised, the router that it would be sent to sends it back. None: there is nothing to end.
 */
export const serviceLoopRules = remember(({ version, options: { serviceLoop } }: Family): readonly Rule[] => {
  const { action, networks } = serviceLoop;
  if (action === "none") return [];
  const own = [...new Set(networks)].filter((net) => cidrVersion(net) === version).toSorted();
  return own.map((net) => ({
    matches: [{ kind: "net", side: "destination", net, negated: false }],
    action: { kind: action },
  }));
});
