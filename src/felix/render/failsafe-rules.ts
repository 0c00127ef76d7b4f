import { cidrVersion } from "../../net/cidr.ts";
import type { Match, Rule, Side, TableName } from "./desired-state.ts";
import type { Direction } from "./names.ts";
import type { Failsafe, Family } from "./options.ts";
import { chunksOfPorts } from "./port-conditions.ts";
import { remember } from "./remember.ts";

/**
 * What a host endpoint always lets in or out, in one table. In raw the answers too: there they belong to no connection yet, and
 * an untracked policy must not drop them. The same array each time.
 */
export function failsafeRules(family: Family, direction: Direction, table: TableName): readonly Rule[] {
  return rulesOf(family)[table === "raw" ? "stateless" : "stateful"][direction];
}

// --- internal ---

const rulesOf = remember((family: Family) => {
  const { inbound, outbound } = family.options.failsafes;
  const requests = {
    ingress: acceptRules(inbound, ["source", "destination"], family),
    egress: acceptRules(outbound, ["destination", "destination"], family),
  };
  const answers = {
    ingress: acceptRules(outbound, ["source", "source"], family),
    egress: acceptRules(inbound, ["destination", "source"], family),
  };
  const stateless = {
    ingress: [...requests.ingress, ...answers.ingress],
    egress: [...requests.egress, ...answers.egress],
  };
  return { stateful: requests, stateless };
});

/** One rule for what is alike but for its port. */
function acceptRules(all: readonly Failsafe[], [peer, port]: readonly [Side, Side], family: Family): readonly Rule[] {
  const ours = all.filter(({ net }) => net === undefined || cidrVersion(net) === family.version);
  const alike = Map.groupBy(ours, ({ protocol, net }) => `${protocol} ${net ?? ""}`);
  return [...alike.values()].flatMap((failsafes) => {
    const chunks = chunksOfPorts(failsafes.map(({ port: number }) => ({ first: number, last: number })));
    const [{ protocol, net } = { protocol: 0, net: undefined }] = failsafes;
    return chunks.map((ports): Rule => {
      const matches: Match[] = [
        { kind: "protocol", protocol, negated: false },
        ...(net === undefined ? [] : [{ kind: "net", side: peer, net, negated: false } as const]),
        { kind: "ports", side: port, ports, negated: false },
      ];
      return { matches, action: { kind: "accept" } };
    });
  });
}
