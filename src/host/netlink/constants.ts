/** Numbers of linux/netlink.h, rtnetlink.h, if_link.h, if_addr.h, pkt_sched.h, pkt_cls.h and tc_act/ that are used here. */

/** NLM_F_*: flags of a message. */
export const messageFlag = {
  request: 0x1,
  ack: 0x4,
  dumpInterrupted: 0x10,
  /** NLM_F_ROOT and NLM_F_MATCH. */
  dump: 0x300,
  replace: 0x100,
  exclusive: 0x200,
  create: 0x400,
  /** On an acknowledgement: the request is not echoed beyond its header. */
  capped: 0x100,
  /** On an acknowledgement: attributes follow. */
  ackAttributes: 0x200,
} as const;

/** NLMSG_* and RTM_*. */
export const messageType = {
  error: 2,
  done: 3,
  newLink: 16,
  deleteLink: 17,
  getLink: 18,
  setLink: 19,
  newAddress: 20,
  deleteAddress: 21,
  getAddress: 22,
  newRoute: 24,
  deleteRoute: 25,
  getRoute: 26,
  newQdisc: 36,
  deleteQdisc: 37,
  getQdisc: 38,
  newFilter: 44,
  getFilter: 46,
} as const;

/** IFLA_*. */
export const linkAttribute = {
  mac: 1,
  name: 3,
  mtu: 4,
  link: 5,
  queueLength: 13,
  operationalState: 16,
  info: 18,
  netnsFd: 28,
  extendedMask: 29,
  /** Inside `info`: IFLA_INFO_KIND and IFLA_INFO_DATA. */
  infoKind: 1,
  infoData: 2,
  /** Inside `infoData` of a veth: VETH_INFO_PEER. */
  vethPeer: 1,
} as const;

/** IFF_UP. */
export const linkFlagUp = 0x1;

/** IF_OPER_UP. */
export const operationalStateUp = 6;

/** IFA_*. */
export const addressAttribute = { address: 1, local: 2 } as const;

/** RTA_*. */
export const routeAttribute = {
  destination: 1,
  outputLink: 4,
  gateway: 5,
  priority: 6,
  preferredSource: 7,
  multipath: 9,
  table: 15,
  via: 18,
} as const;

/** RTNH_F_ONLINK. */
export const routeFlagOnlink = 0x4;

/** RT_TABLE_MAIN. */
export const mainTable = 254;

/** AF_INET and AF_INET6. */
export const addressFamily = { 4: 2, 6: 10 } as const;

/** TC_H_ROOT, TC_H_INGRESS, and `ffff:`, the handle that every ingress qdisc has. */
export const tcParent = { root: 0xffffffff, ingress: 0xfffffff1, ingressHandle: 0xffff0000 } as const;

/** TCA_* of qdiscs and filters; inside `options` of a `tbf`: TCA_TBF_*. */
export const qdiscAttribute = {
  kind: 1,
  options: 2,
  tbfParameters: 1,
  tbfRate64: 4,
  tbfPeakRate64: 5,
  tbfBurst: 6,
  tbfPeakBurst: 7,
} as const;

/** TCA_U32_*; inside an action: TCA_ACT_*; inside the options of a `mirred`: TCA_MIRRED_PARMS. */
export const filterAttribute = {
  selector: 5,
  actions: 7,
  actionKind: 1,
  actionOptions: 2,
  mirredParameters: 2,
} as const;

/** NFNL_SUBSYS_IPSET and IPSET_CMD_*, as message types. */
export const setCommand = { destroy: 0x603, add: 0x609, remove: 0x60a } as const;

/** IPSET_ATTR_*: of a request; of its data; of an address in it. */
export const setAttribute = {
  protocol: 1,
  name: 2,
  data: 7,
  ip: 1,
  prefix: 3,
  port: 4,
  ipProtocol: 7,
  address: { 4: 1, 6: 2 },
} as const;

/** Of `enum ipset_errno`, as `errnoName` names what is no errno: IPSET_ERR_BUSY. */
export const setError = { busy: "errno 4100" } as const;

/** NFNL_SUBSYS_CTNETLINK and IPCTNL_MSG_CT_*, as message types. */
export const connectionCommand = { get: 0x101, delete: 0x102 } as const;

/** CTA_*: of a connection; of a tuple: CTA_TUPLE_*, CTA_IP_* and CTA_PROTO_*; of a filter: CTA_FILTER_* and the kernel's flags in it. */
export const connectionAttribute = {
  original: 1,
  reply: 2,
  status: 3,
  id: 12,
  zone: 18,
  filter: 25,
  addresses: 1,
  source: { 4: 1, 6: 3 },
  destination: { 4: 2, 6: 4 },
  transport: 2,
  protocol: 1,
  sourcePort: 2,
  icmpType: { 4: 5, 6: 8 },
  icmpCode: { 4: 6, 6: 9 },
  filterFlags: { original: 1, reply: 2 },
  filterBy: { source: 1, destination: 2 },
} as const;

/** RTMGRP_* and 1 << (NFNLGRP_NFTABLES - 1): the multicast groups whose events are followed. */
export const eventGroups = {
  /** LINK, IPV4_IFADDR, IPV4_ROUTE, IPV6_IFADDR, IPV6_ROUTE. */
  route: 0x1 | 0x10 | 0x40 | 0x100 | 0x400,
  netfilter: 0x40,
} as const;

/** NFNL_SUBSYS_NFTABLES and NFT_MSG_* as message types of events (linux/netfilter/nf_tables.h), and the attribute with the name. */
export const nftablesEvent = {
  newGeneration: 0xa0f,
  /** NFTA_GEN_PROC_PID and NFTA_GEN_PROC_NAME. */
  generation: { pid: 2, process: 3 },
  pieces: [
    { what: "table", added: 0xa00, deleted: 0xa02, nameAttribute: undefined },
    { what: "chain", added: 0xa03, deleted: 0xa05, nameAttribute: 3 },
    { what: "rule", added: 0xa06, deleted: 0xa08, nameAttribute: 2 },
    { what: "set", added: 0xa09, deleted: 0xa0b, nameAttribute: 2 },
    { what: "elements", added: 0xa0c, deleted: 0xa0e, nameAttribute: 2 },
  ],
} as const;
