import { hostCidr } from "../../net/cidr.ts";
import { versionOf } from "../../net/ip.ts";
import { protocolNumbers } from "../../net/protocol-numbers.ts";
import type { Action, Match, Rule } from "./desired-state.ts";
import type { FixedTable } from "./fixed-chains.ts";
import type { FloatingAddress } from "./floating-ips.ts";
import { setName } from "./names.ts";
import type { Family } from "./options.ts";
import { hookFor, jump } from "./rules.ts";

/**
 * The fixed part of nat. What floating addresses need stands there whenever they are configured, so that the first one changes
 * its two chains and nothing that every connection goes through; and not otherwise.
 */
export function natTable(family: Family): FixedTable {
  const hasFloating = family.options.floatingIps;
  const postrouting = [...(hasFloating ? [jump(floatingChain.snat)] : []), jump("cali-nat-outgoing")];
  const first = hasFloating ? (["PREROUTING", "OUTPUT"] as const) : [];
  return {
    chains: new Map([
      ...first.map((hook) => [`cali-${hook}`, [jump(floatingChain.dnat)]] as const),
      ["cali-POSTROUTING", postrouting],
      ["cali-nat-outgoing", outgoingRules(family)],
    ]),
    hooks: new Map([
      ...first.map((hook) => [hook, hookFor(jump(`cali-${hook}`), family)] as const),
      // Behind kube-proxy's wherever ours stand, as it clears its own mark there.
      ["POSTROUTING", { inserted: [], appended: [jump("cali-POSTROUTING")] }],
    ]),
  };
}

/**
 * The chains for floating addresses of the family. What is sent to one goes to the address behind it before policy sees it; where
 * that is the sender itself, it comes back from the floating one, as nobody takes a packet from its own address.
 */
export function floatingChains(
  addresses: readonly FloatingAddress[],
  { version }: Family,
): ReadonlyMap<string, readonly Rule[]> {
  const own = addresses.filter(({ external }) => versionOf(external) === version);
  const firstOf = new Map(own.toReversed().map((one) => [one.internal, one.external]));
  const dnat = own.map(({ external, internal }): Rule => {
    return { matches: [isNet("destination", external)], action: { kind: "destination-nat", to: internal } };
  });
  const snat = [...firstOf].toSorted().map(([internal, to]): Rule => {
    const matches = [isNet("source", internal), isNet("destination", internal)];
    return { matches, action: { kind: "source-nat", to } };
  });
  return new Map([
    [floatingChain.dnat, dnat],
    [floatingChain.snat, snat],
  ]);
}

// --- internal ---

const floatingChain = { dnat: "cali-fip-dnat", snat: "cali-fip-snat" } as const;

function isNet(side: "source" | "destination", ip: FloatingAddress["external"]): Match {
  return { kind: "net", side, net: hostCidr(ip), negated: false };
}

/** The ports are given to those protocols that the kernel takes them for. */
function outgoingRules({ version, options }: Family): readonly Rule[] {
  const { address, ports, interface: outInterface, exclusions } = options.natOutgoing;
  const notIn = (set: "network-ip-pools" | "all-hosts-net"): Match => {
    return { kind: "set", side: "destination", set: setName(version, set), negated: true };
  };
  const matches: readonly Match[] = [
    { kind: "set", side: "source", set: setName(version, "masq-ipam-pools"), negated: false },
    notIn("network-ip-pools"),
    ...(exclusions === "pools-and-hosts" ? [notIn("all-hosts-net")] : []),
    ...(outInterface === undefined ? [] : [{ kind: "out-interface", name: outInterface, negated: false } as const]),
  ];
  const own = address !== undefined && versionOf(address) === version ? address : undefined;
  const action: Action = own === undefined ? { kind: "masquerade" } : { kind: "source-nat", to: own };
  const ofProtocols = ports === undefined ? [] : [protocolNumbers.TCP, protocolNumbers.UDP];
  return [
    ...ofProtocols.map((protocol): Rule => {
      const isProtocol = { kind: "protocol", protocol, negated: false } as const;
      return { matches: [isProtocol, ...matches], action: { ...action, ...(ports && { ports }) } };
    }),
    { matches, action },
  ];
}
