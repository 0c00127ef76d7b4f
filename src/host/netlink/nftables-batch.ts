import { addressFamily, messageFlag } from "./constants.ts";
import type { NftBaseChain, NftElement, NftExpression, NftOperation, NftSet, NftTableId } from "./nftables.ts";
import {
  appendFlag,
  chainAttribute,
  dataAttribute,
  elementAttribute,
  elementListAttribute,
  expressionAttribute,
  hookNumber,
  listEntry,
  nftCommand,
  nftSetAttribute,
  nftSubsystem,
  ruleAttribute,
  setFlag,
  tableAttribute,
  verdictCode,
  verdictType,
} from "./nftables-constants.ts";
import { keyBehind } from "./nftables-keys.ts";
import { setTypeOf } from "./nftables-set-type.ts";
import { encodeComment } from "./nftables-user-data.ts";
import { MessageWriter } from "./nftables-writer.ts";

/** A transaction as the kernel takes it. */
export interface EncodedBatch {
  /** In one datagram; sequence numbers are still to be filled in. */
  readonly datagram: Buffer;
  /** Index of the message that asks for an acknowledgement, the last but one. */
  readonly acknowledged: number;
  /** Message → index of its operation; -1 for the begin and the end. */
  readonly operationOf: readonly number[];
}

/**
 * The operations between NFNL_MSG_BATCH_BEGIN and END. The last of them alone asks for an acknowledgement: the kernel answers
 * each that it refuses anyway, and the acknowledgement of the END is younger than Linux 6.9.
 */
export function encodeBatch(operations: readonly NftOperation[]): EncodedBatch {
  const batch = new Batch();
  batch.edge(nftCommand.batchBegin);
  for (const [index, operation] of operations.entries()) batch.add(index, operation);
  batch.writer.addFlags(messageFlag.ack);
  batch.edge(nftCommand.batchEnd);
  batch.writer.end();
  return { datagram: batch.writer.bytes, acknowledged: batch.operationOf.length - 2, operationOf: batch.operationOf };
}

// --- internal ---

/** Elements of one message take at most so many bytes, since they are one attribute of at most 64 KiB. */
const ELEMENT_BYTES = 60_000;

class Batch {
  readonly writer = new MessageWriter();
  readonly operationOf: number[] = [];
  #setId = 0;
  #index = -1;

  edge(type: number): void {
    this.writer.message(type, messageFlag.request, 0, nftSubsystem);
    this.operationOf.push(-1);
  }

  add(index: number, operation: NftOperation): void {
    this.#index = index;
    switch (operation.kind) {
      case "add-table":
      case "delete-table":
        this.#table(operation.kind === "add-table", operation);
        return;
      case "add-chain":
        this.#addChain(operation);
        return;
      case "flush-chain":
      case "delete-chain":
        this.#emptyChain(operation);
        return;
      case "add-rule":
        this.#addRule(operation);
        return;
      case "delete-rule":
        this.#deleteRule(operation);
        return;
      case "add-set":
        this.#addSet(operation, operation.set, 0);
        return;
      case "delete-set":
        this.#begin(nftCommand.deleteSet, 0, operation);
        this.writer.text(nftSetAttribute.table, operation.table);
        this.writer.text(nftSetAttribute.name, operation.set);
        return;
      case "flush-set":
        // Without elements: all of them.
        this.#begin(nftCommand.deleteElements, 0, operation);
        this.writer.text(elementListAttribute.table, operation.table);
        this.writer.text(elementListAttribute.set, operation.set);
        return;
      case "add-elements":
      case "delete-elements":
        this.#elements(operation);
        return;
    }
  }

  #begin(type: number, flags: number, { version }: NftTableId): void {
    this.writer.message(type, messageFlag.request | flags, addressFamily[version]);
    this.operationOf.push(this.#index);
  }

  #table(added: boolean, id: NftTableId): void {
    this.#begin(added ? nftCommand.newTable : nftCommand.deleteTable, added ? messageFlag.create : 0, id);
    this.writer.text(tableAttribute.name, id.table);
  }

  #addChain(operation: NftTableId & { readonly chain: string; readonly base?: NftBaseChain }): void {
    const { writer } = this;
    this.#begin(nftCommand.newChain, messageFlag.create, operation);
    writer.text(chainAttribute.table, operation.table);
    writer.text(chainAttribute.name, operation.chain);
    const { base } = operation;
    if (base === undefined) return;
    const hook = writer.open(chainAttribute.hook);
    writer.uint32(chainAttribute.hookNumber, hookNumber[base.hook]);
    writer.uint32(chainAttribute.hookPriority, base.priority);
    writer.close(hook);
    writer.text(chainAttribute.type, base.type);
    writer.uint32(chainAttribute.policy, verdictCode.accept);
  }

  #emptyChain(operation: NftTableId & { readonly kind: "flush-chain" | "delete-chain"; readonly chain: string }): void {
    const flushes = operation.kind === "flush-chain";
    const names = flushes ? ruleAttribute : { table: chainAttribute.table, chain: chainAttribute.name };
    // A removal of rules that names none means all.
    this.#begin(flushes ? nftCommand.deleteRule : nftCommand.deleteChain, 0, operation);
    this.writer.text(names.table, operation.table);
    this.writer.text(names.chain, operation.chain);
  }

  #addRule(operation: Extract<NftOperation, { readonly kind: "add-rule" }>): void {
    const { writer } = this;
    const { rule, at, insert = false } = operation;
    const setIds = rule.expressions.map(({ anonymous }) =>
      anonymous === undefined ? undefined : this.#anonymousSet(operation, anonymous),
    );
    this.#begin(nftCommand.newRule, messageFlag.create | (insert ? 0 : appendFlag), operation);
    writer.text(ruleAttribute.table, operation.table);
    writer.text(ruleAttribute.chain, operation.chain);
    const list = writer.open(ruleAttribute.expressions);
    for (const [index, expression] of rule.expressions.entries()) this.#expression(expression, setIds[index]);
    writer.close(list);
    if (rule.comment !== "") writer.data(ruleAttribute.userData, encodeComment(rule.comment));
    if (at !== undefined) writer.uint64(ruleAttribute.position, at.handle);
  }

  #expression({ name, data }: NftExpression, setId: number | undefined): void {
    const { writer } = this;
    const entry = writer.open(listEntry);
    writer.text(expressionAttribute.name, name);
    const inner = writer.open(expressionAttribute.data);
    writer.raw(data);
    if (setId !== undefined) {
      writer.text(lookupAttribute.set, ANONYMOUS_NAME);
      writer.uint32(lookupAttribute.setId, setId);
    }
    writer.close(inner);
    writer.close(entry);
  }

  #deleteRule(operation: NftTableId & { readonly chain: string; readonly handle: bigint }): void {
    this.#begin(nftCommand.deleteRule, 0, operation);
    this.writer.text(ruleAttribute.table, operation.table);
    this.writer.text(ruleAttribute.chain, operation.chain);
    this.writer.uint64(ruleAttribute.handle, operation.handle);
  }

  /** Answers the number by which this batch may name the set. */
  #addSet(set: NftTableId & Omit<NftSet, "set">, name: string, flags: number): number {
    const { writer } = this;
    const id = ++this.#setId;
    const type = setTypeOf(set.key);
    this.#begin(nftCommand.newSet, messageFlag.create, set);
    writer.text(nftSetAttribute.table, set.table);
    writer.text(nftSetAttribute.name, name);
    const all = flags | (set.interval ? setFlag.interval : 0) | (set.verdicts ? setFlag.map : 0);
    if (all !== 0) writer.uint32(nftSetAttribute.flags, all);
    writer.uint32(nftSetAttribute.keyType, type.number);
    writer.uint32(nftSetAttribute.keyLength, type.bytes);
    if (set.verdicts) writer.uint32(nftSetAttribute.dataType, verdictType);
    writer.uint32(nftSetAttribute.id, id);
    writer.data(nftSetAttribute.userData, type.userData);
    return id;
  }

  #anonymousSet(table: NftTableId, { key, elements }: NonNullable<NftExpression["anonymous"]>): number {
    const set = { version: table.version, table: table.table, key, interval: true, verdicts: false };
    const id = this.#addSet(set, ANONYMOUS_NAME, setFlag.anonymous | setFlag.constant);
    this.#elements({ ...set, kind: "add-elements", set: ANONYMOUS_NAME, elements }, id);
    return id;
  }

  #elements(
    operation: NftTableId & {
      readonly kind: "add-elements" | "delete-elements";
      readonly set: string;
      readonly elements: readonly NftElement[];
    },
    setId?: number,
  ): void {
    const { writer } = this;
    const { elements } = operation;
    let next = 0;
    while (next < elements.length) {
      const added = operation.kind === "add-elements";
      this.#begin(
        added ? nftCommand.newElements : nftCommand.deleteElements,
        added ? messageFlag.create : 0,
        operation,
      );
      writer.text(elementListAttribute.table, operation.table);
      writer.text(elementListAttribute.set, operation.set);
      if (setId !== undefined) writer.uint32(elementListAttribute.setId, setId);
      const list = writer.open(elementListAttribute.elements);
      const start = writer.length;
      for (; next < elements.length && writer.length - start < ELEMENT_BYTES; next++) {
        const element = elements[next];
        if (element !== undefined) writeElement(writer, element);
      }
      writer.close(list);
    }
  }
}

/** NFTA_LOOKUP_SET and NFTA_LOOKUP_SET_ID. */
const lookupAttribute = { set: 1, setId: 4 } as const;

/** The kernel puts a number for the `%d`. */
const ANONYMOUS_NAME = "__set%d";

/** A range is two elements for the kernel: its first key, and the one behind its last, unless that is beyond all keys. */
function writeElement(writer: MessageWriter, { key, last, goto }: NftElement): void {
  const entry = writer.open(listEntry);
  writeKey(writer, key);
  if (goto !== undefined) {
    const data = writer.open(elementAttribute.data);
    const verdict = writer.open(dataAttribute.verdict);
    writer.uint32(dataAttribute.verdictCode, verdictCode.goto);
    writer.text(dataAttribute.verdictChain, goto);
    writer.close(verdict);
    writer.close(data);
  }
  writer.close(entry);
  const behind = last === undefined ? undefined : keyBehind(last);
  if (behind === undefined) return;
  const end = writer.open(listEntry);
  writer.uint32(elementAttribute.flags, elementAttribute.intervalEnd);
  writeKey(writer, behind);
  writer.close(end);
}

function writeKey(writer: MessageWriter, key: Uint8Array): void {
  const outer = writer.open(elementAttribute.key);
  writer.data(dataAttribute.value, key);
  writer.close(outer);
}
