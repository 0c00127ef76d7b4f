/** Numbers of linux/netfilter/nf_tables.h and nfnetlink.h. */

/** NFNL_MSG_BATCH_*, and NFNL_SUBSYS_NFTABLES with NFT_MSG_*, as message types. */
export const nftCommand = {
  batchBegin: 0x10,
  batchEnd: 0x11,
  newTable: 0xa00,
  getTable: 0xa01,
  deleteTable: 0xa02,
  newChain: 0xa03,
  getChain: 0xa04,
  deleteChain: 0xa05,
  newRule: 0xa06,
  getRule: 0xa07,
  deleteRule: 0xa08,
  newSet: 0xa09,
  getSet: 0xa0a,
  deleteSet: 0xa0b,
  newElements: 0xa0c,
  getElements: 0xa0d,
  deleteElements: 0xa0e,
} as const;

/** NFNL_SUBSYS_NFTABLES. */
export const nftSubsystem = 10;

/** NFTA_TABLE_NAME. */
export const tableAttribute = { name: 1, flags: 2 } as const;

/** NFT_TABLE_F_DORMANT. */
export const tableFlagDormant = 0x1;

/** NFTA_CHAIN_*; inside `hook`: NFTA_HOOK_*. */
export const chainAttribute = {
  table: 1,
  name: 3,
  hook: 4,
  policy: 5,
  type: 7,
  hookNumber: 1,
  hookPriority: 2,
} as const;

/** NFTA_RULE_*. */
export const ruleAttribute = {
  table: 1,
  chain: 2,
  handle: 3,
  expressions: 4,
  position: 6,
  userData: 7,
} as const;

/** NFTA_LIST_ELEM: each entry of a list. */
export const listEntry = 1;

/** NFTA_EXPR_*. */
export const expressionAttribute = { name: 1, data: 2 } as const;

/** NFTA_COUNTER_*. */
export const counterAttribute = { bytes: 1, packets: 2 } as const;

/** NFTA_SET_*. */
export const nftSetAttribute = {
  table: 1,
  name: 2,
  flags: 3,
  keyType: 4,
  keyLength: 5,
  dataType: 6,
  dataLength: 7,
  id: 10,
  userData: 13,
} as const;

/** NFT_SET_*. */
export const setFlag = { anonymous: 0x1, constant: 0x2, interval: 0x4, map: 0x8 } as const;

/** NFTA_SET_ELEM_LIST_*. */
export const elementListAttribute = { table: 1, set: 2, elements: 3, setId: 4 } as const;

/** NFTA_SET_ELEM_*, and NFT_SET_ELEM_INTERVAL_END. */
export const elementAttribute = { key: 1, data: 2, flags: 3, intervalEnd: 0x1 } as const;

/** NFTA_DATA_*, and in `verdict` NFTA_VERDICT_*. */
export const dataAttribute = { value: 1, verdict: 2, verdictCode: 1, verdictChain: 2 } as const;

/** NFT_DATA_VERDICT: the data type of a map to chains. */
export const verdictType = 0xffffff00;

/** NF_DROP, NF_ACCEPT and NFT_*, as numbers of 32 bits. */
export const verdictCode = {
  drop: 0,
  accept: 1,
  jump: 0xfffffffd,
  goto: 0xfffffffc,
  return: 0xfffffffb,
} as const;

/** NF_INET_*. */
export const hookNumber = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 } as const;

/** NLM_F_APPEND. */
export const appendFlag = 0x800;
