import { refused } from "./ask.ts";
import { textAttribute } from "./attribute.ts";
import { BatchSocket } from "./batch-socket.ts";
import { addressFamily } from "./constants.ts";
import type { Refusal } from "./message.ts";
import type { NetlinkError } from "./netlink.ts";
import type {
  Nftables,
  NftChain,
  NftElement,
  NftOperation,
  NftRule,
  NftSet,
  NftSetId,
  NftTableId,
} from "./nftables.ts";
import { type EncodedBatch, encodeBatch } from "./nftables-batch.ts";
import { elementListAttribute, nftCommand, nftSetAttribute, ruleAttribute } from "./nftables-constants.ts";
import { decodeChain, decodeElements, decodeRule, decodeSet, decodeTable, joinRanges } from "./nftables-listing.ts";
import { describeOperation } from "./nftables-operation-text.ts";
import { NetlinkSocket, type Request } from "./socket.ts";

/** Opens nf_tables in the namespace at `netnsPath`, or in this process's own. Throws a `SystemError`. The caller closes it. */
export function openNftables(netnsPath?: string): Nftables {
  const writer = new BatchSocket(netnsPath);
  try {
    return new KernelNftables(writer, new NetlinkSocket(netnsPath, "netfilter"));
  } catch (error) {
    writer.close();
    throw error;
  }
}

// --- internal ---

/** A smaller batch is done sooner than a thread has taken it over (measured: 200 rules in 2 ms). */
const ASIDE_BYTES = 128 * 1024;
/** The kernel repeats by itself what a module had to be loaded for; this is for what else may come between. */
const ATTEMPTS = 5;
const passing: ReadonlySet<string> = new Set(["EAGAIN", "EINTR"]);

class KernelNftables implements Nftables {
  readonly #writer: BatchSocket;
  /** Of its own, as a listing may be asked for while a large batch is on its way. */
  readonly #reader: NetlinkSocket;
  #waiting = 0;
  #last: Promise<void> = Promise.resolve();

  constructor(writer: BatchSocket, reader: NetlinkSocket) {
    this.#writer = writer;
    this.#reader = reader;
  }

  get port(): number {
    return this.#writer.port;
  }

  /** One after the other. */
  async commit(operations: readonly NftOperation[]): Promise<void> {
    if (operations.length === 0) return;
    const batch = encodeBatch(operations);
    const send = () => this.#send(operations, batch);
    const turn = this.#waiting++ === 0 ? send() : this.#last.then(send, send);
    this.#last = turn;
    try {
      await turn;
    } finally {
      this.#waiting--;
    }
  }

  async tables(version: NftTableId["version"]): Promise<readonly string[]> {
    const request = { type: nftCommand.getTable, body: header(version) };
    return (await this.#list(`list the tables of IPv${version}`, request, decodeTable)).map(({ name }) => name);
  }

  async isDormant({ version, table }: NftTableId): Promise<boolean> {
    const request = { type: nftCommand.getTable, body: header(version) };
    const found = await this.#list(`list the tables of IPv${version}`, request, decodeTable);
    return found.some(({ name, dormant }) => name === table && dormant);
  }

  async chains(id: NftTableId): Promise<readonly NftChain[]> {
    const request = { type: nftCommand.getChain, body: header(id.version) };
    return this.#list(`list the chains of ${nameOf(id)}`, request, (payload) => decodeChain(payload, id.table));
  }

  async rules(id: NftTableId, chain?: string): Promise<readonly NftRule[]> {
    const names = [textAttribute(ruleAttribute.table, id.table)];
    if (chain !== undefined) names.push(textAttribute(ruleAttribute.chain, chain));
    const request = { type: nftCommand.getRule, body: Buffer.concat([header(id.version), ...names]) };
    return this.#list(`list the rules of ${nameOf(id)}`, request, decodeRule);
  }

  async sets(id: NftTableId): Promise<readonly NftSet[]> {
    const body = Buffer.concat([header(id.version), textAttribute(nftSetAttribute.table, id.table)]);
    return this.#list(`list the sets of ${nameOf(id)}`, { type: nftCommand.getSet, body }, decodeSet);
  }

  async elements(id: NftSetId & Partial<Pick<NftSet, "interval">>): Promise<readonly NftElement[]> {
    const interval = id.interval ?? (await this.sets(id)).find((one) => one.set === id.set)?.interval;
    if (interval === undefined) return [];
    const body = Buffer.concat([
      header(id.version),
      textAttribute(elementListAttribute.table, id.table),
      textAttribute(elementListAttribute.set, id.set),
    ]);
    const request = { type: nftCommand.getElements, body };
    const found = this.#list(`list the elements of set ${id.set} of ${nameOf(id)}`, request, decodeElements).flat();
    if (interval) return joinRanges(found);
    return found.map(({ key, goto }) => (goto === undefined ? { key } : { key, goto }));
  }

  close(): void {
    this.#writer.close();
    this.#reader.close();
  }

  async #send(operations: readonly NftOperation[], batch: EncodedBatch): Promise<void> {
    const aside = batch.datagram.length > ASIDE_BYTES;
    for (let attempt = 1; ; attempt++) {
      const refusals = await this.#writer.transact({ ...batch, aside });
      const [first] = [...refusals].sort(([a], [b]) => a - b);
      if (first === undefined) return;
      if (attempt < ATTEMPTS && passing.has(first[1].code)) continue;
      throw refusedBatch(operations, batch, first);
    }
  }

  /** What is not there, be it the table or a thing in it, has nothing to list. */
  #list<T>(action: string, request: Request, decode: (payload: Buffer) => T | undefined): readonly T[] {
    const found = this.#reader.dump(request, decode);
    if (!("code" in found)) return found;
    if (found.code === "ENOENT") return [];
    throw refused(action, found);
  }
}

function refusedBatch(
  operations: readonly NftOperation[],
  { datagram, operationOf }: EncodedBatch,
  [message, refusal]: readonly [number, Refusal],
): NetlinkError {
  const index = operationOf[message] ?? -1;
  const operation = operations[index];
  // The begin stands for all: what only the whole shows, such as a loop of chains.
  if (operation === undefined) return refused(`commit ${operations.length} operations of nf_tables`, refusal);
  const text = describeOperation(operation, datagram, message, refusal.attributeAt);
  return refused(`${text} (operation ${index + 1} of ${operations.length})`, refusal);
}

/** `struct nfgenmsg`. */
function header(version: NftTableId["version"]): Buffer {
  return Buffer.from([addressFamily[version], 0, 0, 0]);
}

function nameOf({ version, table }: NftTableId): string {
  return `table ${version === 4 ? "ip" : "ip6"} ${table}`;
}
