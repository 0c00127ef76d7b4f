import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { newBlock } from "../../../src/ipam/block.ts";
import {
  maxJournalBytes,
  releasedAnnotation,
  releaseRecord,
  releasesOf,
  withReleases,
} from "../../../src/ipam/release-journal.ts";
import { parseCidr } from "../../../src/net/cidr.ts";
import { parseIp } from "../../../src/net/ip.ts";
import { node } from "./samples.ts";

const empty = newBlock(parseCidr("10.0.0.0/26"), { node, claimedAt: "2026-11-21T10:00:00Z", sequenceNumber: 1n });
const ip = parseIp("10.0.0.1");
const cause = { why: "DEL", at: "2026-11-21T10:00:00Z" };
const holder = { handle_id: "net.1", secondary: { pod: "web-0", namespace: "shop", node: "node-1", timestamp: "x" } };

function annotated(text: string): typeof empty {
  return { ...empty, metadata: { ...empty.metadata, annotations: { other: "stays", [releasedAnnotation]: text } } };
}

function bytesOf(block: typeof empty): number {
  return Buffer.byteLength(block.metadata.annotations[releasedAnnotation] ?? "", "utf8");
}

test("a record says who held the address, where, why and when", () => {
  expect(releaseRecord(ip, holder, cause)).toEqual({
    ip,
    handle: "net.1",
    pod: "shop/web-0",
    node: "node-1",
    ...cause,
  });
  expect(releaseRecord(ip, {}, cause)).toEqual({ ip, ...cause });
});

test("records go behind those that are there, and other annotations stay", () => {
  const first = releaseRecord(ip, holder, cause);
  const second = releaseRecord(ip, {}, { ...cause, why: "pod gone" });
  const block = withReleases(withReleases(annotated("[]"), [first]), [second]);
  expect(releasesOf(block)).toEqual([first, second]);
  expect(block.metadata.annotations["other"]).toBe("stays");
  expect(withReleases(block, [])).toBe(block);
  expect(releasesOf(empty)).toEqual([]);
});

describe("an annotation that cannot be read", () => {
  test.each(["", "{", "null", "7", '{"ip":"10.0.0.1"}', "[1]", '[{"ip":"x","why":"","at":""}]', '[{"ip":"10.0.0.1"}]'])(
    "%j yields nothing and is replaced",
    (text) => {
      expect(releasesOf(annotated(text))).toEqual([]);
      const record = releaseRecord(ip, holder, cause);
      expect(releasesOf(withReleases(annotated(text), [record]))).toEqual([record]);
    },
  );
});

test("the oldest go when it grows beyond its bound, counted in bytes", () => {
  let block = empty;
  for (let count = 0; count < 400; count++) {
    const record = releaseRecord(
      ip,
      { secondary: { pod: "ü".repeat(80), namespace: "日本" } },
      { ...cause, why: `${count}` },
    );
    block = withReleases(block, [record]);
    expect(bytesOf(block)).toBeLessThanOrEqual(maxJournalBytes);
  }
  const numbers = releasesOf(block).map(({ why }) => Number(why));
  expect(numbers.at(-1)).toBe(399);
  expect(numbers).toEqual(numbers.map((_, index) => (numbers[0] ?? 0) + index));
  expect(bytesOf(block)).toBeGreaterThan(maxJournalBytes - 500);
});

test("nothing that a pod or a person may write breaks it", () => {
  const text = fc.string({ unit: "binary", maxLength: 2000 });
  fc.assert(
    fc.property(fc.record({ pod: text, namespace: text, node: text }), text, text, (secondary, handle_id, why) => {
      const block = withReleases(empty, [releaseRecord(ip, { handle_id, secondary }, { ...cause, why })]);
      expect(releasesOf(block)).toHaveLength(1);
      expect(bytesOf(block)).toBeLessThanOrEqual(maxJournalBytes);
      expect(releasesOf(block)[0]?.why.startsWith(why.slice(0, 300))).toBe(true);
    }),
  );
});
