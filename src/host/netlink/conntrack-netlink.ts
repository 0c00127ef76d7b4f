import { type Ip, versionOf } from "../../net/ip.ts";
import { refused } from "./ask.ts";
import {
  type Attributes,
  attribute,
  ipAttribute,
  ipOf,
  nestedAttribute,
  parseAttributes,
  uint32Attribute,
} from "./attribute.ts";
import { addressFamily, connectionAttribute as attr, connectionCommand } from "./constants.ts";
import { NetlinkSocket, REQUESTS_PER_WRITE } from "./socket.ts";

/** Connection tracking (nfnetlink, linux/netfilter/nfnetlink_conntrack.h). */
export interface ConntrackNetlink {
  /**
   * Makes the kernel forget every connection of these addresses: as source, as destination, and behind a Service. Rejects
   * with a `NetlinkError` when connections cannot be listed or forgotten; one that ends meanwhile is no error.
   */
  forget(addresses: readonly Ip[]): Promise<void>;
  close(): void;
}

/** Opens it in the namespace at `netnsPath`, or in this process's own. Throws a `SystemError`. The caller closes it. */
export function openConntrackNetlink(netnsPath?: string): ConntrackNetlink {
  return new KernelConnections(new NetlinkSocket(netnsPath, "netfilter"));
}

// --- internal ---

class KernelConnections implements ConntrackNetlink {
  readonly #socket: NetlinkSocket;
  /** One search at a time: each walks the whole table, however little it finds. */
  #last: Promise<void> = Promise.resolve();

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  forget(addresses: readonly Ip[]): Promise<void> {
    this.#last = this.#last.then(
      () => this.#forget(addresses),
      () => this.#forget(addresses),
    );
    return this.#last;
  }

  close(): void {
    this.#socket.close();
  }

  async #forget(addresses: readonly Ip[]): Promise<void> {
    const [v4, v6] = [4, 6].map((version) => addresses.filter((ip) => versionOf(ip) === version)) as [Ip[], Ip[]];
    // The kernel's filter finds for IPv6 just those that it should not (seen on 6.18), so there everything is looked at.
    if (v6.length > 0) await this.#forgetFound(v6, sides, header(addressFamily[6]));
    for (const ip of v4) for (const side of sides) await this.#forgetFound([ip], [side], encodeSearch(side, ip));
  }

  /** A kernel before 5.8 does not know the filter of `search` and lists everything, so each is looked at here too. */
  async #forgetFound(addresses: readonly Ip[], at: readonly Side[], search: Buffer): Promise<void> {
    const found = await this.#socket.dumpAside({ type: connectionCommand.get, body: search }, (payload) => {
      const tuples = parseAttributes(payload.subarray(HEADER_BYTES));
      const isTheirs = at.some((side) => addresses.some((ip) => ip === addressOf(tuples, side)));
      return isTheirs ? encodeRemoval(payload, tuples) : undefined;
    });
    if ("code" in found) {
      throw refused(`list the connections of ${addresses.join(", ")}`, found);
    }
    for (let start = 0; start < found.length; start += REQUESTS_PER_WRITE) {
      const batch = found.slice(start, start + REQUESTS_PER_WRITE);
      const answers = this.#socket.transact(batch.map((body) => ({ type: connectionCommand.delete, body })));
      // It has ended by itself.
      const refusal = answers.find((one) => one.refusal !== undefined && one.refusal.code !== "ENOENT")?.refusal;
      if (refusal === undefined) continue;
      throw refused(`forget a connection of ${addresses.join(", ")}`, refusal);
    }
  }
}

/** One end of one direction of a connection. The answer's source is the endpoint behind a Service. */
interface Side {
  readonly direction: "original" | "reply";
  readonly end: "source" | "destination";
}

const sides: readonly Side[] = [
  { direction: "original", end: "source" },
  { direction: "original", end: "destination" },
  { direction: "reply", end: "source" },
];

const HEADER_BYTES = 4;

/** `struct nfgenmsg`. */
function header(family: number): Buffer {
  return Buffer.from([family, 0, 0, 0]);
}

function encodeSearch({ direction, end }: Side, ip: Ip): Buffer {
  const version = versionOf(ip);
  const address = ipAttribute(attr[end][version], ip);
  return Buffer.concat([
    header(addressFamily[version]),
    nestedAttribute(attr[direction], nestedAttribute(attr.addresses, address)),
    nestedAttribute(attr.filter, uint32Attribute(attr.filterFlags[direction], attr.filterBy[end])),
  ]);
}

function addressOf(connection: Attributes, { direction, end }: Side): Ip | undefined {
  const addresses = nested(nested(connection, attr[direction]), attr.addresses);
  return ipOf(addresses, attr[end][4]) ?? ipOf(addresses, attr[end][6]);
}

/** Names the connection by its original direction and its number: a later one of the same ends is not meant. */
function encodeRemoval(payload: Buffer, connection: Attributes): Buffer {
  const kept = [attr.original, attr.id, attr.zone].flatMap((type) => {
    const value = connection.get(type);
    return value === undefined ? [] : [type === attr.original ? nestedAttribute(type, value) : attribute(type, value)];
  });
  return Buffer.concat([header(payload[0] ?? 0), ...kept]);
}

function nested(attributes: Attributes, type: number): Attributes {
  return parseAttributes(attributes.get(type) ?? Buffer.alloc(0));
}
