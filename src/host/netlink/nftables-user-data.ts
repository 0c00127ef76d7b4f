/** A rule's comment as its user data: libnftnl's `struct nftnl_udata` of type NFTNL_UDATA_RULE_COMMENT, which nft(8) prints. */
export function encodeComment(comment: string): Buffer {
  const text = Buffer.from(`${comment}\0`);
  if (text.length > LONGEST_COMMENT) {
    throw new Error(`Cannot put a comment of ${text.length - 1} bytes on a rule: at most ${LONGEST_COMMENT - 1}`);
  }
  return Buffer.concat([Buffer.from([RULE_COMMENT, text.length]), text]);
}

/** Inverse of `encodeComment`; undefined when there is no comment in it. */
export function decodeComment(userData: Buffer): string | undefined {
  let offset = 0;
  while (offset + 2 <= userData.length) {
    const [type, length = 0] = userData.subarray(offset, offset + 2);
    const value = userData.subarray(offset + 2, offset + 2 + length);
    if (type === RULE_COMMENT) return value.toString("utf8", 0, value.at(-1) === 0 ? value.length - 1 : value.length);
    offset += 2 + length;
  }
  return undefined;
}

/** The user data of a set: the byte order of its keys (NFTNL_UDATA_SET_KEYBYTEORDER), without which nft(8) cannot print names. */
export function encodeByteOrder(order: "host" | "network"): Buffer {
  const bytes = Buffer.from([KEY_BYTE_ORDER, 4, 0, 0, 0, 0]);
  bytes.writeUInt32LE(order === "host" ? 1 : 2, 2);
  return bytes;
}

// --- internal ---

const RULE_COMMENT = 0;
const KEY_BYTE_ORDER = 0;
/** NFTNL_UDATA_COMMENT_MAXLEN, with the NUL. */
const LONGEST_COMMENT = 128;
