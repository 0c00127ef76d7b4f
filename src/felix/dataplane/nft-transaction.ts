import type { NftOperation, NftRuleBody, NftSet, NftTableId } from "../../host/netlink/nftables.ts";
import type { SetDelta } from "../../net/changed-set.ts";
import type { ChainEdit } from "./nft-chain-edit.ts";
import { elementOf } from "./nft-elements.ts";
import { ruleExpressions } from "./nft-expressions.ts";
import { ruleComment } from "./nft-hash.ts";
import type { WantedChain } from "./nft-wanted.ts";

/**
 * Changes of one table, in an order that the kernel takes: what refers to something goes before it does, and comes after it has.
 */
export class NftTransaction {
  readonly #id: NftTableId;
  readonly #steps: Readonly<Record<Step, NftOperation[]>> = {
    table: [],
    rulesGo: [],
    elementsGo: [],
    setsGo: [],
    chainsGo: [],
    chainsCome: [],
    setsCome: [],
    elementsCome: [],
    rulesCome: [],
  };

  constructor(id: NftTableId) {
    this.#id = id;
  }

  /** All that was asked for, in order. */
  get operations(): readonly NftOperation[] {
    return Object.values(this.#steps).flat();
  }

  addTable(): void {
    this.#steps.table.push({ ...this.#id, kind: "add-table" });
  }

  /** Adds a chain with its rules; `hashes` are theirs. */
  addChain(chain: WantedChain, hashes: readonly string[]): void {
    const { name, base } = chain;
    this.#steps.chainsCome.push({ ...this.#id, kind: "add-chain", chain: name, ...(base && { base }) });
    this.#append(chain, hashes);
  }

  /** Empties a chain, and gives it these rules. */
  refillChain(chain: WantedChain, hashes: readonly string[]): void {
    this.#steps.rulesGo.push({ ...this.#id, kind: "flush-chain", chain: chain.name });
    this.#append(chain, hashes);
  }

  /** Takes the rules between those that stay out of a chain, and puts those wanted there in. */
  editChain(chain: WantedChain, hashes: readonly string[], { before, behind, handles }: ChainEdit): void {
    const { name } = chain;
    for (const handle of handles.slice(before, handles.length - behind)) {
      this.#steps.rulesGo.push({ ...this.#id, kind: "delete-rule", chain: name, handle });
    }
    const next = handles[handles.length - behind];
    const place = next === undefined ? {} : { at: { handle: next }, insert: true };
    for (let index = before; index < hashes.length - behind; index++) {
      const rule = this.#ruleOf(chain, index, hashes);
      this.#steps.rulesCome.push({ ...this.#id, kind: "add-rule", chain: name, rule, ...place });
    }
  }

  /** Deletes a chain with its rules. */
  deleteChain(chain: string): void {
    this.#steps.rulesGo.push({ ...this.#id, kind: "flush-chain", chain });
    this.#steps.chainsGo.push({ ...this.#id, kind: "delete-chain", chain });
  }

  /** Adds an empty set or map. */
  addSet(spec: NftSet): void {
    this.#steps.setsCome.push({ ...this.#id, kind: "add-set", ...spec });
  }

  /** Deletes a set or map with its elements; no rule may use it any more. */
  deleteSet(set: string): void {
    this.#steps.setsGo.push({ ...this.#id, kind: "delete-set", set });
  }

  /** Takes elements (`nft-elements.ts`) out of a set or map, and then puts others in. */
  changeElements(spec: NftSet, { added, removed }: SetDelta<string>): void {
    const about = (texts: readonly string[]) => ({
      ...this.#id,
      set: spec.set,
      elements: texts.map((text) => elementOf(text, spec)),
    });
    if (removed.length > 0) this.#steps.elementsGo.push({ kind: "delete-elements", ...about(removed) });
    if (added.length > 0) this.#steps.elementsCome.push({ kind: "add-elements", ...about(added) });
  }

  #append(chain: WantedChain, hashes: readonly string[]): void {
    for (const index of hashes.keys()) {
      const rule = this.#ruleOf(chain, index, hashes);
      this.#steps.rulesCome.push({ ...this.#id, kind: "add-rule", chain: chain.name, rule });
    }
  }

  #ruleOf({ name, rules, table, maps }: WantedChain, index: number, hashes: readonly string[]): NftRuleBody {
    const [rule, hash] = [rules[index], hashes[index]];
    if (rule === undefined || hash === undefined)
      throw new Error(`Cannot add rule ${index} of chain ${name}: there is none`);
    return {
      expressions: ruleExpressions(rule, { version: this.#id.version, table, maps }),
      comment: ruleComment(rule, hash),
    };
  }
}

// --- internal ---

/** In the order of the transaction. */
type Step =
  | "table"
  | "rulesGo"
  | "elementsGo"
  | "setsGo"
  | "chainsGo"
  | "chainsCome"
  | "setsCome"
  | "elementsCome"
  | "rulesCome";
