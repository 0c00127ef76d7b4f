import { expect, test } from "vitest";
import { configure, settingsAfter } from "../../../src/cli/ipam-configure-steps.ts";
import { HttpsKubeClient } from "../../../src/kube/https-client.ts";
import { type Answer, json, refusal, scriptedServer } from "../../fakes/scripted-server.ts";
import { testClock } from "../../fakes/test-clock.ts";

function configuration(spec: Readonly<Record<string, unknown>>, resourceVersion = "1") {
  return { metadata: { name: "default", resourceVersion }, spec };
}

const cannot = "Cannot change IPAMConfiguration default: ";
const needsStrict = "a limit on the blocks of a node (maxBlocksPerHost 4) needs strictAffinity, which";

test.each([
  [
    undefined,
    { maxBlocksPerHost: 4 },
    `${needsStrict} is off. Give --strictaffinity=true too, or --max-blocks-per-host=0`,
  ],
  [{}, { maxBlocksPerHost: 4 }, `${needsStrict} is off. Give --strictaffinity=true too, or --max-blocks-per-host=0`],
  [
    { strictAffinity: true },
    { maxBlocksPerHost: 4, strictAffinity: false },
    `${needsStrict} this turns off. Give --max-blocks-per-host=0 too`,
  ],
  [
    { strictAffinity: true, maxBlocksPerHost: 4 },
    { strictAffinity: false },
    `${needsStrict} this turns off. Give --max-blocks-per-host=0 too`,
  ],
  [
    { maxBlocksPerHost: 4 },
    { ipCooldownSeconds: 30 },
    `${needsStrict} is off. Give --strictaffinity=true too, or --max-blocks-per-host=0`,
  ],
  [
    { strictAffinity: true, autoAllocateBlocks: false },
    { strictAffinity: false },
    "spec.autoAllocateBlocks would be false: autoAllocateBlocks can be false only when strictAffinity is true",
  ],
])("of %j and the change %j is refused", (spec, change, sentence) => {
  const current = spec === undefined ? undefined : configuration(spec);
  expect(() => settingsAfter(current, change)).toThrow(`${cannot}${sentence}`);
});

test.each([
  [undefined, { maxBlocksPerHost: 4, strictAffinity: true }],
  [{ maxBlocksPerHost: 4 }, { strictAffinity: true }],
  [
    { maxBlocksPerHost: 4, strictAffinity: true },
    { strictAffinity: false, maxBlocksPerHost: 0 },
  ],
  // No change, as calicoctl takes it.
  [{ maxBlocksPerHost: 4, strictAffinity: false }, { maxBlocksPerHost: 4 }],
  // Mends what could not be read.
  [{ ipCooldownSeconds: "long" }, { ipCooldownSeconds: 30 }],
])("of %j and the change %j settings are made", (spec, change) => {
  const current = spec === undefined ? undefined : configuration(spec);
  expect(settingsAfter(current, change)).toMatchObject({ ...spec, ...change, autoAllocateBlocks: true });
});

async function clientOf(...answers: readonly [Answer, ...Answer[]]) {
  const server = await scriptedServer(...answers);
  const credentials = async () => ({ headers: {}, tls: {} });
  const client = new HttpsKubeClient({ server: server.url, credentials, clock: testClock() });
  return { client, server, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

test("what others change meanwhile is looked at before it is written over", async () => {
  const strict = json(configuration({ strictAffinity: true }));
  const open = json(configuration({ strictAffinity: false }, "2"));
  await using over = await clientOf(strict, refusal(409, "Conflict"), open);
  await expect(configure(over.client, { maxBlocksPerHost: 4 })).rejects.toThrow(`${cannot}${needsStrict} is off`);
  expect(over.server.requests).toHaveLength(3);
});

test("whoever is second to make it changes it instead; who is always second says so", async () => {
  const there = json(configuration({}));
  const none = refusal(404, "NotFound");
  let sent = "";
  const taken: Answer = (response, request, body) => {
    sent = body;
    json(configuration({}, "2"))(response, request, body);
  };
  await using over = await clientOf(none, refusal(409, "AlreadyExists"), there, taken);
  expect(await configure(over.client, { ipCooldownSeconds: 30 })).toMatchObject({ ipCooldownSeconds: 30 });
  expect(over.server.requests.map((one) => one.split(" ")[0])).toEqual(["GET", "POST", "GET", "PATCH"]);
  expect(JSON.parse(sent)).toEqual({ metadata: { resourceVersion: "1" }, spec: { ipCooldownSeconds: 30 } });

  const lost = Array.from({ length: 10 }, () => [there, refusal(409, "Conflict")]).flat();
  await using busy = await clientOf(there, refusal(409, "Conflict"), ...lost);
  const change = configure(busy.client, { ipCooldownSeconds: 30 });
  await expect(change).rejects.toThrow(`${cannot}others changed it 10 times meanwhile. Try again`);
});

test("any other refusal ends it", async () => {
  await using over = await clientOf(json(configuration({})), refusal(403, "Forbidden"));
  await expect(configure(over.client, { ipCooldownSeconds: 30 })).rejects.toMatchObject({ status: 403 });
  expect(over.server.requests).toHaveLength(2);
});
