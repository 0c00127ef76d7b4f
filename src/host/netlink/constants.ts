/** Numbers of linux/netlink.h, linux/rtnetlink.h, linux/if_link.h and linux/if_addr.h that are used here. */

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
  getAddress: 22,
  newRoute: 24,
  deleteRoute: 25,
  getRoute: 26,
} as const;

/** IFLA_*. */
export const linkAttribute = {
  mac: 1,
  name: 3,
  mtu: 4,
  link: 5,
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
