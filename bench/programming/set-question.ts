import { attribute, ipAttribute, nestedAttribute, textAttribute } from "../../src/host/netlink/attribute.ts";
import { setAttribute } from "../../src/host/netlink/constants.ts";
import { NetlinkSocket, type Request } from "../../src/host/netlink/socket.ts";
import { ipToBytes, parseIp } from "../../src/net/ip.ts";

/** Which address, in which set of IPv4 addresses. */
export interface SetQuestionParts {
  readonly backend: "iptables" | "nft";
  readonly set: string;
  readonly address: string;
}

/** Asks the kernel whether an address is in a set: some ten microseconds, however large the set is. */
export class SetQuestion {
  readonly #socket: NetlinkSocket;
  readonly #request: Request;

  constructor(netns: string, { backend, set, address }: SetQuestionParts) {
    this.#socket = new NetlinkSocket(netns, "netfilter");
    this.#request = backend === "iptables" ? ipsetTest(set, address) : nftGet(set, address);
  }

  isIn(): boolean {
    const [answer] = this.#socket.transact([this.#request]);
    return answer?.refusal === undefined;
  }

  close(): void {
    this.#socket.close();
  }
}

// --- internal ---

/** IPSET_CMD_TEST; refused when it is not in it. */
function ipsetTest(set: string, address: string): Request {
  const networkOrder = 0x4000;
  const ip = nestedAttribute(setAttribute.ip, ipAttribute(setAttribute.address[4] | networkOrder, parseIp(address)));
  const body = [
    Buffer.from([2, 0, 0, 0]),
    attribute(setAttribute.protocol, Uint8Array.of(7)),
    textAttribute(setAttribute.name, set),
    nestedAttribute(setAttribute.data, ip),
  ];
  return { type: 0x60b, body: Buffer.concat(body) };
}

/** NFT_MSG_GETSETELEM of one element (NFTA_SET_ELEM_LIST_*); refused when it is not in it. */
function nftGet(set: string, address: string): Request {
  const key = nestedAttribute(1, attribute(1, ipToBytes(parseIp(address))));
  const body = [
    Buffer.from([2, 0, 0, 0]),
    textAttribute(1, "calico"),
    textAttribute(2, set),
    nestedAttribute(3, nestedAttribute(1, key)),
  ];
  return { type: 0xa0d, body: Buffer.concat(body) };
}
