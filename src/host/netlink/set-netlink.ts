import { setImmediate as nextTurn } from "node:timers/promises";
import { type Cidr, cidrVersion, firstIp, prefixLength } from "../../net/cidr.ts";
import { bitsOf } from "../../net/ip.ts";
import { refused } from "./ask.ts";
import { attribute, ipAttribute, nestedAttribute, textAttribute } from "./attribute.ts";
import { addressFamily, setAttribute, setCommand, setError } from "./constants.ts";
import type { NetlinkError } from "./netlink.ts";
import { NetlinkSocket, REQUESTS_PER_WRITE, type Request } from "./socket.ts";

/** One member of a set of networks that comes or goes. */
export interface SetChange {
  readonly verb: "add" | "remove";
  readonly set: string;
  /** An address is a network of one. */
  readonly member: Cidr;
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
        failures.push(refused(`${change.verb} ${change.member} (set ${change.set})`, refusal));
      }
    }
    const [first] = failures;
    if (first !== undefined) throw first;
  }

  async destroy(sets: readonly string[]): Promise<readonly string[]> {
    const used: string[] = [];
    // One by one: each waits for the kernel's readers.
    for (const set of sets) {
      const [answer] = this.#socket.transact([{ type: setCommand.destroy, body: setHeader(set, 4) }]);
      const refusal = answer?.refusal;
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
  const [version, prefix] = [cidrVersion(member), prefixLength(member)];
  const data = nestedAttribute(
    setAttribute.data,
    nestedAttribute(setAttribute.ip, ipAttribute(setAttribute.address[version] | NETWORK_ORDER, firstIp(member))),
    ...(prefix === bitsOf(version) ? [] : [attribute(setAttribute.prefix, Uint8Array.of(prefix))]),
  );
  const type = verb === "add" ? setCommand.add : setCommand.remove;
  return { type, body: Buffer.concat([setHeader(set, version), data]) };
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
