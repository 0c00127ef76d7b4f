import { beforeEach, describe, expect, test } from "vitest";
import type { BlockAffinity } from "../../src/api/block-affinity.ts";
import type { IpamHandle } from "../../src/api/ipam-handle.ts";
import type { NodeName } from "../../src/api/names.ts";
import { assignFromBlock, newBlock } from "../../src/ipam/block.ts";
import type { IpamStore, RecordStore, Stored, Written } from "../../src/ipam/store.ts";
import { type Cidr, parseCidr } from "../../src/net/cidr.ts";

/** What every `IpamStore` promises. `open` answers an empty store, and may be called once a test. */
export function ipamStoreContract(name: string, open: () => Promise<IpamStore>): void {
  describe(name, () => {
    let store: IpamStore;
    beforeEach(async () => {
      store = await open();
    });

    recordContract<Cidr, ReturnType<typeof sampleBlock>>("blocks", () => store.blocks, {
      ...{ key: parseCidr("10.0.0.0/30"), other: parseCidr("2001:db8::/126") },
      ...{ make: sampleBlock, changed: (block) => assignFromBlock(block, request).block },
    });
    recordContract<AffinityKey, BlockAffinity>("affinities", () => store.affinities, {
      ...{ key: { node: longNode, cidr: parseCidr("10.0.0.0/30") }, other: { node, cidr: parseCidr("10.0.0.0/30") } },
      ...{ make: sampleAffinity, changed: (one) => ({ ...one, spec: { ...one.spec, state: "confirmed" } }) },
    });
    recordContract<string, IpamHandle>("handles", () => store.handles, {
      ...{ key: "k8s-pod-network.0123456789ABCDEF", other: "My_Net.0123" },
      ...{ make: sampleHandle, changed: (one) => ({ ...one, spec: { ...one.spec, block: { "10.0.0.0/30": 2 } } }) },
    });

    test("a sequence number of nanoseconds keeps every digit", async () => {
      const cidr = parseCidr("10.0.0.0/30");
      const sequenceNumber = 1_795_255_200_123_456_789n;
      const { block } = assignFromBlock(newBlock(cidr, { node, claimedAt, sequenceNumber }), request);
      await store.blocks.put(cidr, block, undefined);
      const read = (await store.blocks.get(cidr))?.value.spec;
      expect(read?.sequenceNumber).toBe(sequenceNumber + 1n);
      expect(read?.sequenceNumberForAllocation).toEqual({ 0: sequenceNumber });
    });

    test("the affinities of one node are found by its name alone", async () => {
      const cidrs = ["10.0.0.0/30", "10.0.0.4/30"].map(parseCidr);
      for (const cidr of cidrs) await store.affinities.put({ node, cidr }, sampleAffinity({ node, cidr }), undefined);
      const foreign = { node: longNode, cidr: parseCidr("10.0.0.8/30") };
      await store.affinities.put(foreign, sampleAffinity(foreign), undefined);
      const found = await store.affinitiesOf(node);
      expect(found.map(({ value }) => value.spec.cidr).toSorted()).toEqual(cidrs);
      expect(await store.affinitiesOf("node-9" as NodeName)).toEqual([]);
    });

    test("the networks of all blocks are found, of every size", async () => {
      const cidrs = ["10.0.0.0/29", "10.0.0.4/30", "2001:db8::/126"].map(parseCidr);
      for (const cidr of cidrs) await store.blocks.put(cidr, sampleBlock(cidr), undefined);
      expect((await store.blockNetworks()).toSorted()).toEqual(cidrs);
    });

    test("what the cluster does not have is undefined", async () => {
      expect(await store.configuration()).toBeUndefined();
      expect(await store.node("node-9" as NodeName)).toBeUndefined();
      expect(await store.pools()).toEqual([]);
      expect(await store.reservations()).toEqual([]);
    });
  });
}

// --- internal ---

type AffinityKey = { readonly node: NodeName; readonly cidr: Cidr };

interface Samples<K, T> {
  readonly key: K;
  readonly other: K;
  readonly make: (key: K) => T;
  readonly changed: (value: T) => T;
}

const node = "node-1" as NodeName;
/** Its affinities' names would be too long for an object, and the name itself for a label. */
const longNode = `${"rack-b.".repeat(34)}example` as NodeName;
const claimedAt = "2026-11-21T10:00:00Z";
const request = { handle: "h", count: 1, attributes: { pod: "web", namespace: "default" } };

function recordContract<K, T extends { readonly spec: unknown }>(
  name: string,
  records: () => RecordStore<K, T>,
  { key, other, make, changed }: Samples<K, T>,
): void {
  describe(name, () => {
    test("what was put is there, under its key only", async () => {
      const stored = written(await records().put(key, make(key), undefined));
      expect(stored.value.spec).toEqual(make(key).spec);
      expect(await records().get(key)).toEqual(stored);
      expect(await records().get(other)).toBeUndefined();
    });

    test("of two creations one conflicts, and the first stays", async () => {
      const answers = await Promise.all([1, 2].map(() => records().put(key, make(key), undefined)));
      expect(answers.filter((answer) => answer === "conflict")).toHaveLength(1);
      expect(answers).toContainEqual(await records().get(key));
    });

    test("of two changes of one revision one conflicts", async () => {
      const { value, revision } = written(await records().put(key, make(key), undefined));
      const answers = await Promise.all([1, 2].map(() => records().put(key, changed(value), revision)));
      expect(answers.filter((answer) => answer === "conflict")).toHaveLength(1);
      const now = await records().get(key);
      expect(now?.value.spec).toEqual(changed(value).spec);
      expect(now?.revision).not.toBe(revision);
    });

    test("a change of what has gone, or was made again since, conflicts", async () => {
      const { value, revision } = written(await records().put(key, make(key), undefined));
      expect(await records().remove(key, revision)).toBe("removed");
      expect(await records().put(key, value, revision)).toBe("conflict");
      await records().put(key, make(key), undefined);
      expect(await records().put(key, value, revision)).toBe("conflict");
    });

    test("only the revision that was read can be removed; what is not there is removed", async () => {
      const first = written(await records().put(key, make(key), undefined));
      const second = written(await records().put(key, changed(first.value), first.revision));
      expect(await records().remove(key, first.revision)).toBe("conflict");
      expect(await records().get(key)).toEqual(second);
      expect(await records().remove(key, second.revision)).toBe("removed");
      expect(await records().get(key)).toBeUndefined();
      expect(await records().remove(key, second.revision)).toBe("removed");
    });

    test("a fresh list has what was written before it, and not what was removed", async () => {
      const first = written(await records().put(key, make(key), undefined));
      await records().put(other, make(other), undefined);
      await records().remove(key, first.revision);
      const listed = await records().list({ fresh: true });
      expect(listed.map(({ value }) => value.spec)).toEqual([make(other).spec]);
    });

    test("a list has every record once", async () => {
      const stored = [
        written(await records().put(key, make(key), undefined)),
        written(await records().put(other, make(other), undefined)),
      ];
      const listed = await records().list();
      expect(listed).toHaveLength(2);
      for (const one of stored) expect(listed).toContainEqual(one);
    });
  });
}

function written<T>(answer: Written<T>): Stored<T> {
  if (answer === "conflict") throw new Error("Cannot prepare the test: the first write conflicts");
  return answer;
}

function sampleBlock(cidr: Cidr) {
  return newBlock(cidr, { node, claimedAt, sequenceNumber: 7n });
}

function sampleAffinity({ node: owner, cidr }: AffinityKey): BlockAffinity {
  return {
    metadata: { name: "", labels: {}, annotations: {} },
    spec: { state: "pending", node: owner, type: "host", cidr, deleted: false },
  };
}

function sampleHandle(handle: string): IpamHandle {
  return {
    metadata: { name: "", labels: {}, annotations: {} },
    spec: { handleID: handle, block: { "10.0.0.0/30": 1 }, deleted: false },
  };
}
