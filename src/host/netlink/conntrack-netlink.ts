import { setImmediate as immediate } from "node:timers/promises";
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
import { connectionDecoder, type FoundConnection } from "./found-connection.ts";
import { NetlinkSocket, REQUESTS_PER_WRITE } from "./socket.ts";

/** Connection tracking (nfnetlink, linux/netfilter/nfnetlink_conntrack.h). */
export interface ConntrackNetlink {
  /**
   * Makes the kernel forget every connection of these addresses: as source, as destination, and behind a Service. Rejects
   * with a `NetlinkError` when connections cannot be listed or forgotten; one that ends meanwhile is no error.
   */
  forget(addresses: readonly Ip[]): Promise<void>;
  /**
   * The connections that one of these addresses has asked for, or answers, behind a Service or not. Those that another
   * connection announced (RELATED), and those of other zones, are left out. Rejects as `forget`. The event loop goes on meanwhile.
   */
  find(addresses: readonly Ip[]): Promise<readonly FoundConnection[]>;
  /**
   * Makes the kernel forget just these. A later one between the same ends is only meant if the kernel has given it the same number:
   * it stands in the same place of memory then. Rejects as `forget`.
   */
  end(connections: readonly FoundConnection[]): Promise<void>;
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
  #last: Promise<unknown> = Promise.resolve();

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  forget(addresses: readonly Ip[]): Promise<void> {
    return this.#inTurn(() => this.#forget(addresses));
  }

  find(addresses: readonly Ip[]): Promise<readonly FoundConnection[]> {
    return this.#inTurn(() => this.#find(addresses));
  }

  end(connections: readonly FoundConnection[]): Promise<void> {
    return this.#inTurn(() => this.#remove(connections.map(({ handle }) => handle)));
  }

  close(): void {
    this.#socket.close();
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work, work);
    this.#last = done;
    return done;
  }

  async #find(addresses: readonly Ip[]): Promise<readonly FoundConnection[]> {
    const found: FoundConnection[] = [];
    for (const version of [4, 6] as const) {
      const own = addresses.filter((ip) => versionOf(ip) === version);
      if (own.length === 0) continue;
      const decode = connectionDecoder(own, encodeRemoval);
      const request = { type: connectionCommand.get, body: header(addressFamily[version]) };
      const some = await this.#socket.dumpAside(request, decode);
      if ("code" in some) throw refused(`list the connections of ${addresses.length} addresses`, some);
      found.push(...some);
    }
    return found;
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
    await this.#remove(found);
  }

  async #remove(removals: readonly Buffer[]): Promise<void> {
    for (let start = 0; start < removals.length; start += REQUESTS_PER_WRITE) {
      const batch = removals.slice(start, start + REQUESTS_PER_WRITE);
      const answers = this.#socket.transact(batch.map((body) => ({ type: connectionCommand.delete, body })));
      // It has ended by itself.
      const refusal = answers.find((one) => one.refusal !== undefined && one.refusal.code !== "ENOENT")?.refusal;
      if (refusal !== undefined) throw refused("forget a connection", refusal);
      await immediate();
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
