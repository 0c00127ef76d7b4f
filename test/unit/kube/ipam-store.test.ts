import { expect, test } from "vitest";
import type { NodeName } from "../../../src/api/names.ts";
import { newBlock } from "../../../src/ipam/block.ts";
import { HttpsKubeClient } from "../../../src/kube/https-client.ts";
import { KubeIpamStore, type KubeIpamStoreOptions } from "../../../src/kube/ipam-store.ts";
import { parseCidr } from "../../../src/net/cidr.ts";
import { type Answer, json, refusal, scriptedServer } from "../../fakes/scripted-server.ts";
import { testClock } from "../../fakes/test-clock.ts";

/** A store over a server that gives these answers in turn; `rejected` holds what it was told of. */
async function storeOver(...answers: readonly [Answer, ...Answer[]]) {
  return storeKnowing({}, ...answers);
}

/** The same, of a caller who knows some things himself. */
async function storeKnowing(
  known: Pick<KubeIpamStoreOptions, "blocks" | "configuration">,
  ...answers: readonly [Answer, ...Answer[]]
) {
  const server = await scriptedServer(...answers);
  const credentials = async () => ({ headers: {}, tls: {} });
  const client = new HttpsKubeClient({ server: server.url, credentials, clock: testClock() });
  const rejected: string[] = [];
  const onRejected = ({ kind, key }: { kind: string; key: string }) => rejected.push(`${kind} ${key}`);
  const store = new KubeIpamStore({ client, onRejected, ...known });
  return { store, server, rejected, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

function object(name: string, spec: object, resourceVersion = "1") {
  return { metadata: { name, uid: name, resourceVersion }, spec };
}

function list(items: readonly unknown[], more = "") {
  return json({ metadata: { resourceVersion: "9", continue: more }, items });
}

const good = { cidr: "10.0.0.0/16" };
const bad = { cidr: "10.0.0.0/33" };

test("pools are read page by page, and one that cannot be read is told of", async () => {
  const first = list([object("a", good), object("b", bad)], "next page");
  await using over = await storeOver(first, list([object("c", { cidr: "10.1.0.0/16" })]));
  expect((await over.store.pools()).map(({ metadata }) => metadata.name)).toEqual(["a", "c"]);
  expect(over.server.requests).toEqual([
    "GET /apis/projectcalico.org/v3/ippools?limit=500",
    "GET /apis/projectcalico.org/v3/ippools?limit=500&continue=next+page",
  ]);
  expect(over.rejected).toEqual(["IPPool b"]);
});

test("each revision of an unreadable object is told of once", async () => {
  const revision = (number: string) => list([object("b", bad, number)]);
  await using over = await storeOver(revision("1"), revision("1"), revision("2"), revision("2"));
  for (let round = 0; round < 4; round++) expect(await over.store.pools()).toEqual([]);
  expect(over.rejected).toEqual(["IPPool b", "IPPool b"]);
});

test("unreadable affinities, handles and blocks are told of, listed or read by name", async () => {
  const unreadable = list([object("x", { cidr: 1 })]);
  await using over = await storeOver(unreadable, unreadable, unreadable, json(object("10-0-0-0-26", bad)));
  expect(await over.store.affinitiesOf("node-1" as NodeName)).toEqual([]);
  expect(await over.store.handles.list()).toEqual([]);
  expect(await over.store.blocks.list()).toEqual([]);
  await expect(over.store.blocks.get(parseCidr("10.0.0.0/26"))).rejects.toThrow("Cannot read IPAMBlock 10-0-0-0-26");
  expect(over.rejected).toEqual(["BlockAffinity x", "IPAMHandle x", "IPAMBlock x", "IPAMBlock 10-0-0-0-26"]);
});

test("what is not there is undefined, and any other refusal is an error", async () => {
  await using over = await storeOver(refusal(404, "NotFound"), refusal(404, "NotFound"), refusal(403, "Forbidden"));
  expect(await over.store.configuration()).toBeUndefined();
  expect(await over.store.node("node-1" as NodeName)).toBeUndefined();
  await expect(over.store.node("node-1" as NodeName)).rejects.toMatchObject({ status: 403 });
  expect(over.server.requests.slice(0, 2)).toEqual([
    "GET /apis/projectcalico.org/v3/ipamconfigurations/default",
    "GET /api/v1/nodes/node-1",
  ]);
});

test("settings that cannot be read are told of, and the strictest hold", async () => {
  const unreadable = json(object("default", { strictAffinity: false, autoAllocateBlocks: "no" }));
  await using over = await storeOver(unreadable, unreadable);
  for (let round = 0; round < 2; round++) {
    expect((await over.store.configuration())?.spec).toMatchObject({ strictAffinity: true, autoAllocateBlocks: false });
  }
  expect(over.rejected).toEqual(["IPAMConfiguration default"]);
});

test("what the caller knows is not asked for, unless it has to be fresh", async () => {
  const block = newBlock(parseCidr("10.0.0.0/30"), { node: "n" as NodeName, claimedAt: "", sequenceNumber: 1n });
  const known = { ...block, metadata: { ...block.metadata, resourceVersion: "7", uid: "u" } };
  const going = { ...known, spec: { ...known.spec, deleted: true } };
  const options = { blocks: () => [known, going], configuration: () => ({ value: undefined }) };
  await using over = await storeKnowing(options, list([]));
  expect(await over.store.blocks.list()).toEqual([{ value: known, revision: "7 u" }]);
  expect(await over.store.configuration()).toBeUndefined();
  expect(over.server.requests).toEqual([]);
  expect(await over.store.blocks.list({ fresh: true })).toEqual([]);
  expect(over.server.requests).toEqual(["GET /apis/projectcalico.org/v3/ipamblocks?limit=500"]);
});

test("a caller who does not know yet makes it ask", async () => {
  const options = { blocks: () => undefined, configuration: () => undefined };
  await using over = await storeKnowing(options, list([]), refusal(404, "NotFound"));
  expect(await over.store.blocks.list()).toEqual([]);
  expect(await over.store.configuration()).toBeUndefined();
  expect(over.server.requests).toHaveLength(2);
});

test("of a write's answer the metadata are enough, and the whole object is taken as well", async () => {
  const cidr = parseCidr("10.0.0.0/30");
  const block = newBlock(cidr, { node: "node-1" as NodeName, claimedAt: "2026-11-21T10:00:00Z", sequenceNumber: 7n });
  const metadata = { name: "10-0-0-0-30", uid: "u", resourceVersion: "5", labels: { color: "red" } };
  const accepted: unknown[] = [];
  const answer = (value: unknown): Answer => {
    return (response, request, body) => {
      accepted.push(request.headers.accept);
      json(value)(response, request, body);
    };
  };
  const other = "10.0.0.4/30";
  const whole = {
    kind: "IPAMBlock",
    metadata,
    spec: { cidr: other, allocations: [], unallocated: [], attributes: [] },
  };
  await using over = await storeOver(answer({ kind: "PartialObjectMetadata", metadata }), answer(whole));
  const first = await over.store.blocks.put(cidr, block, undefined);
  expect(first).toMatchObject({ revision: "5 u", value: { metadata, spec: block.spec } });
  const second = await over.store.blocks.put(cidr, block, "5 u");
  expect(second).toMatchObject({ revision: "5 u", value: { spec: { cidr: other } } });
  const wanted = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
  expect(accepted).toEqual([wanted, wanted]);
});
