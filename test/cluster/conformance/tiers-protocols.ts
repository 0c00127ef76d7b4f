/** Protocols, ports, ICMP and further actions in the rules of Calico's policies. */
import { applied, type Case, type Change, calicoObject } from "./case.ts";

/** One GlobalNetworkPolicy for ingress of the pods of x. */
function global(...ingress: readonly object[]): readonly Change[] {
  return applied(
    calicoObject(
      "GlobalNetworkPolicy",
      { name: "rules" },
      { namespaceSelector: "team == 'x'", types: ["Ingress"], ingress },
    ),
  );
}

const isolated = "deny any -> x/*";
const allowTcp = (destination: object) => ({ action: "Allow", protocol: "TCP", destination });

/** Cases of protocols and ports. */
export const tierProtocolCases: readonly Case[] = [
  {
    name: "ports as number and range",
    source: "ports: numbers, ranges FIRST:LAST and names",
    change: global(allowTcp({ ports: [79, "81:82"] }), {
      action: "Allow",
      protocol: "UDP",
      destination: { ports: ["80:81"] },
    }),
    becomes: [isolated, "allow any -> x/* on TCP/81, UDP"],
  },
  {
    name: "notPorts",
    source: "notPorts: negated match on ports",
    change: global(allowTcp({ notPorts: [80] })),
    becomes: [isolated, "allow any -> x/* on TCP/81"],
  },
  {
    name: "a named port with a protocol",
    source: "ports: a named port is each pod's own number",
    change: global(allowTcp({ ports: ["web"] })),
    becomes: [isolated, "allow any -> x/a on TCP/80", "allow any -> x/b on TCP/81"],
  },
  {
    name: "a named port without a protocol is of any",
    source: "ports: named ports may stand without a protocol",
    change: global({ action: "Allow", destination: { ports: ["web"] } }),
    becomes: [isolated, "allow any -> x/a on TCP/80", "allow any -> x/b on TCP/81", "allow any -> x/c on UDP/80"],
  },
  {
    name: "a named port beside a number, and one of them negated",
    source: "ports: numbers, ranges and names are alternatives",
    change: global(
      { action: "Deny", protocol: "TCP", destination: { notPorts: ["admin", 80] } },
      { action: "Allow", protocol: "TCP" },
      { action: "Allow", protocol: "UDP", destination: { ports: ["query", 80] } },
    ),
    becomes: [
      isolated,
      "allow any -> x/* on TCP/80, UDP/80",
      "allow any -> x/a on TCP/81",
      "allow any -> x/b on UDP/81",
    ],
  },
  {
    name: "more than fifteen ports in one rule",
    source: "ports: at most fifty",
    change: global(allowTcp({ ports: [...Array.from({ length: 20 }, (_, index) => 1000 + index), "2000:2010", 81] })),
    becomes: [isolated, "allow any -> x/* on TCP/81"],
  },
  {
    name: "source ports",
    source: "source ports: the port that a connection comes from",
    change: global(
      { action: "Allow", protocol: "TCP", source: { ports: ["1024:65535"] } },
      { action: "Allow", protocol: "UDP", source: { ports: ["1:1023"] } },
    ),
    becomes: [isolated, "allow any -> x/* on TCP"],
  },
  {
    name: "a protocol by its number",
    source: "protocol: a name or a number of 1 to 255",
    change: global({ action: "Allow", protocol: 17 }, { action: "Allow", protocol: 132 }),
    becomes: [isolated, "allow any -> x/* on UDP, SCTP"],
  },
  {
    name: "notProtocol",
    source: "notProtocol: negated match on the protocol",
    change: global({ action: "Allow", notProtocol: "UDP" }),
    becomes: ["deny any -> x/* on UDP"],
  },
  {
    name: "SCTP with a port",
    source: "ports: numeric ones need TCP, UDP or SCTP",
    change: global({ action: "Allow", protocol: "SCTP", destination: { ports: [80] } }),
    becomes: [isolated, "allow any -> x/* on SCTP/80"],
  },
  {
    name: "ICMP by its type",
    source: "icmp: matches the type, and the code when it is given",
    change: global({ action: "Allow", protocol: "ICMP", icmp: { type: 8, code: 0 } }),
    becomes: [isolated, "allow any -> x/* on ICMP"],
  },
  {
    name: "another ICMP type lets no echo in",
    source: "icmp: matches the type, and the code when it is given",
    change: global(
      { action: "Deny", protocol: "ICMP", icmp: { type: 8, code: 1 } },
      { action: "Allow", protocol: "ICMP", icmp: { type: 13 } },
    ),
    becomes: [isolated],
  },
  {
    name: "notICMP",
    source: "notICMP: negated match on type and code",
    change: global({ action: "Allow", protocol: "ICMP", notICMP: { type: 8 } }, { action: "Allow", protocol: "TCP" }),
    becomes: [isolated, "allow any -> x/* on TCP"],
  },
  {
    name: "ipVersion",
    source: "ipVersion: the rule matches this version alone",
    change: global({ action: "Deny", ipVersion: 6 }, { action: "Allow", ipVersion: 4, protocol: "TCP" }),
    becomes: [isolated, "allow any -> x/* on TCP"],
  },
  {
    name: "Log lets evaluation go on",
    source: "action Log: logs, and goes on with the next rule",
    change: global({ action: "Log" }, { action: "Allow", protocol: "UDP" }, { action: "Log" }),
    becomes: [isolated, "allow any -> x/* on UDP"],
  },
  {
    name: "an Allow for certain HTTP requests opens nothing while nobody judges requests",
    source: "http: enforced by an authorizer in the pod alone; without one the rule fails closed",
    change: global(
      { action: "Allow", protocol: "TCP", http: { methods: ["GET"] } },
      { action: "Allow", protocol: "UDP" },
    ),
    becomes: [isolated, "allow any -> x/* on UDP"],
  },
];
