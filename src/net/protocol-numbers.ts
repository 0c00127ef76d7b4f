/** IANA protocol numbers by the names that policies and Kubernetes' objects call the protocols. */
export const protocolNumbers = { ICMP: 1, TCP: 6, UDP: 17, ICMPv6: 58, SCTP: 132, UDPLite: 136 } as const;

/** What ipset(8) and iptables(8) call the protocols whose ports a set can hold, by number. */
export const portProtocolNames: ReadonlyMap<number, string> = new Map([
  [6, "tcp"],
  [17, "udp"],
  [132, "sctp"],
  [136, "udplite"],
]);
