import { setImmediate as nextTurn } from "node:timers/promises";
import { type Cidr, cidrVersion, firstIp, prefixLength } from "../../net/cidr.ts";
import { bitsOf, type Ip, versionOf } from "../../net/ip.ts";
import { refused } from "./ask.ts";
import { attribute, ipAttribute, nestedAttribute, textAttribute } from "./attribute.ts";
import { addressFamily, setAttribute, setCommand, setError } from "./constants.ts";
import type { NetlinkError } from "./netlink.ts";
import { NetlinkSocket, REQUESTS_PER_WRITE, type Request } from "./socket.ts";

/** One member of a set that comes or goes. */
export interface SetChange {
  readonly verb: "add" | "remove";
  readonly set: string;
  /** Of a set of networks, where an address is a network of one; or of one of ports. */
  readonly member: Cidr | IpPort;
}

/** A member of a set of type `hash:ip,port`. */
interface IpPort {
  readonly ip: Ip;
  /** IANA number. */
  readonly protocol: number;
  readonly port: number;
}

/** What ipset(8) does to sets that are there, without starting it: nfnetlink, subsystem ipset (linux/netfilter/ipset/ip_set.h). */
export interface SetNetlink {
  /**
   * In order. A member that is there already, or not any more, is no error. All are tried; rejects with a `NetlinkError` that
   * names the first that was refused.
   */
  change(changes: readonly SetChange[]): Promise<void>;
  /** Answers those that some rule still uses, which stay. One that is not there is no error. */
  destroy(sets: readonly string[]): Promise<readonly string[]>;
  close(): void;
}

/** Opens it in the namespace at `netnsPath`, or in this process's own. Throws a `SystemError`. The caller closes it. */
export function openSetNetlink(netnsPath?: string): SetNetlink {
  return new KernelSets(new NetlinkSocket(netnsPath, "netfilter"));
}

// --- internal ---

class KernelSets implements SetNetlink {
  readonly #socket: NetlinkSocket;

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  async change(changes: readonly SetChange[]): Promise<void> {
    const failures: NetlinkError[] = [];
    for (let start = 0; start < changes.length; start += REQUESTS_PER_WRITE) {
      if (start > 0) await nextTurn();
      const batch = changes.slice(start, start + REQUESTS_PER_WRITE);
      for (const [index, { refusal }] of this.#socket.transact(batch.map(requestOf)).entries()) {
        const change = batch[index];
        if (refusal === undefined || change === undefined) continue;
        failures.push(refused(`${change.verb} ${textOf(change.member)} (set ${change.set})`, refusal));
      }
    }
    const [first] = failures;
    if (first !== undefined) throw first;
  }

  async destroy(sets: readonly string[]): Promise<readonly string[]> {
    const used: string[] = [];
    // One by one, and aside: each waits for the kernel's readers.
    for (const set of sets) {
      const { refusal } = await this.#socket.transactAside({ type: setCommand.destroy, body: setHeader(set, 4) });
      if (refusal?.code === setError.busy) used.push(set);
      else if (refusal !== undefined && refusal.code !== "ENOENT") throw refused(`destroy set ${set}`, refusal);
    }
    return used;
  }

  close(): void {
    this.#socket.close();
  }
}

/** Without NLM_F_EXCL: what is so already is no error. */
function requestOf({ verb, set, member }: SetChange): Request {
  const version = typeof member === "string" ? cidrVersion(member) : versionOf(member.ip);
  const data = nestedAttribute(setAttribute.data, ...(typeof member === "string" ? netData(member) : portData(member)));
  const type = verb === "add" ? setCommand.add : setCommand.remove;
  return { type, body: Buffer.concat([setHeader(set, version), data]) };
}

function netData(net: Cidr): readonly Buffer[] {
  const prefix = prefixLength(net);
  const isOne = prefix === bitsOf(cidrVersion(net));
  return [ipData(firstIp(net)), ...(isOne ? [] : [attribute(setAttribute.prefix, Uint8Array.of(prefix))])];
}

function portData({ ip, protocol, port }: IpPort): readonly Buffer[] {
  return [
    ipData(ip),
    attribute(setAttribute.port | NETWORK_ORDER, Uint8Array.of(port >> 8, port & 0xff)),
    attribute(setAttribute.ipProtocol, Uint8Array.of(protocol)),
  ];
}

function ipData(ip: Ip): Buffer {
  return nestedAttribute(setAttribute.ip, ipAttribute(setAttribute.address[versionOf(ip)] | NETWORK_ORDER, ip));
}

function textOf(member: Cidr | IpPort): string {
  return typeof member === "string" ? member : `${member.ip},${member.protocol}:${member.port}`;
}

/** NLA_F_NET_BYTEORDER. */
const NETWORK_ORDER = 0x4000;
/** IPSET_PROTOCOL. */
const PROTOCOL = 7;

/** `struct nfgenmsg`, and what every request has. */
function setHeader(set: string, version: 4 | 6): Buffer {
  return Buffer.concat([
    Buffer.from([addressFamily[version], 0, 0, 0]),
    attribute(setAttribute.protocol, Uint8Array.of(PROTOCOL)),
    textAttribute(setAttribute.name, set),
  ]);
}
