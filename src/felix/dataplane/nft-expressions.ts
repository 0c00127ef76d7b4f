import { addressFamily } from "../../host/netlink/constants.ts";
import type { NftExpression } from "../../host/netlink/nftables.ts";
import {
  bitwise,
  counter,
  load,
  loadMeta,
  loadPayload,
  log,
  lookupVerdict,
  masquerade,
  nat,
  noTrack,
  register,
  reject,
  storeMark,
  storeNetworkHeader,
  verdict,
} from "../../host/netlink/nftables-expressions.ts";
import { type Ip, type IpVersion, ipToBytes, versionOf } from "../../net/ip.ts";
import type { Action, Rule, Table, TableName } from "../render/desired-state.ts";
import { hostNumber, matchExpressions, portBytes } from "./nft-matches.ts";
import { nftChainName, nftMapName } from "./nft-names.ts";

/** Where a rule stands: the table, whose verdict maps a dispatch needs. */
export interface RulePlace {
  readonly version: IpVersion;
  readonly table: TableName;
  readonly maps: Table["maps"];
}

/**
 * One rule of the state as one of nf_tables that judges every packet as its line of iptables does. What matches is counted right
 * before the action. Throws what a rule of nf_tables cannot say (see `matchExpressions`), and for a map that is not there.
 */
export function ruleExpressions(rule: Rule, place: RulePlace): readonly NftExpression[] {
  return [
    ...rule.matches.flatMap((match) => matchExpressions(match, place.version)),
    counter(),
    ...actionExpressions(rule.action, place),
  ];
}

// --- internal ---

function actionExpressions(action: Action, { version, table, maps }: RulePlace): readonly NftExpression[] {
  switch (action.kind) {
    case "accept":
    case "drop":
    case "return":
      return [verdict(action.kind)];
    case "jump":
    case "goto":
      return [verdict(action.kind, nftChainName(table, action.chain))];
    case "no-track":
      return [noTrack()];
    case "reject":
      return [reject(portUnreachable[version])];
    case "dispatch": {
      const map = maps?.get(action.map);
      if (map === undefined)
        throw new Error(`Cannot look up the map ${action.map}: table ${table} has none of that name`);
      const key = loadMeta(map.match === "in-interface" ? "iifname" : "oifname");
      return [key, lookupVerdict(nftMapName(table, action.map))];
    }
    case "masquerade":
      return action.ports === undefined
        ? [masquerade()]
        : [...loadPorts(action.ports, forPorts.alone), masquerade(forPorts.alone)];
    case "source-nat":
      return sourceNatExpressions(action);
    case "destination-nat":
      return [load(ipToBytes(action.to)), nat("destination", addressFamily[version])];
    case "set-mark":
      return [
        loadMeta("mark"),
        bitwise(hostNumber(~(action.value | action.mask)), hostNumber(action.value)),
        storeMark(),
      ];
    case "log":
      return [log(action.prefix.replaceAll(/[^A-Za-z0-9 _./:=,()-]/g, "_").slice(0, PREFIX_BYTES), LOG_NOTICE)];
    case "set-dscp":
      return dscpExpressions(action.dscp, version);
  }
}

/** Codes of destination unreachable (RFC 792, RFC 4443). */
const portUnreachable = { 4: 3, 6: 4 } as const;
/** NF_LOG_PREFIXLEN without the NUL. */
const PREFIX_BYTES = 127;
/** As upstream. */
const LOG_NOTICE = 5;

interface Ports {
  readonly first: number;
  readonly last: number;
}

/** Registers of the first and the last port: with nothing before them, or an address. */
const forPorts = {
  alone: { first: register.first, last: register.second },
  behind: { first: register.second, last: register.third },
} as const;

function loadPorts({ first, last }: Ports, to: Ports): readonly NftExpression[] {
  return [load(portBytes(first), to.first), load(portBytes(last), to.last)];
}

function sourceNatExpressions({ to, ports }: { readonly to: Ip; readonly ports?: Ports }): readonly NftExpression[] {
  const family = addressFamily[versionOf(to)];
  if (ports === undefined) return [load(ipToBytes(to)), nat("source", family)];
  return [load(ipToBytes(to)), ...loadPorts(ports, forPorts.behind), nat("source", family, forPorts.behind)];
}

/** The six bits in front of those of ECN (RFC 3168): in IPv4's second byte, in IPv6 from the fifth bit on. */
function dscpExpressions(dscp: number, version: IpVersion): readonly NftExpression[] {
  const [mask, shift] = version === 4 ? [0xff03, 2] : [0xf03f, 6];
  return [
    loadPayload("network", 0, 2),
    bitwise(portBytes(mask), portBytes(dscp << shift)),
    version === 4 ? storeNetworkHeader(0, 2, IPV4_CHECKSUM_AT) : storeNetworkHeader(0, 2),
  ];
}

const IPV4_CHECKSUM_AT = 10;
