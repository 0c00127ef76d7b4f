import type { ServerResponse } from "node:http";
import { pino } from "pino";
import { expect, test } from "vitest";
import { Datastore } from "../../../src/agent/datastore.ts";
import type { NodeName } from "../../../src/api/names.ts";
import { agentKinds } from "../../../src/kube/fed-kinds.ts";
import { HttpsKubeClient } from "../../../src/kube/https-client.ts";
import { type Answer, refusal, scriptedServer, streamed } from "../../fakes/scripted-server.ts";
import { testClock } from "../../fakes/test-clock.ts";

test("that the API server is away is told until it takes up every watch again, though nothing has changed", async () => {
  const open = new Set<ServerResponse>();
  const taken: Answer = (response, request, body) => {
    open.add(response);
    const isFirst = request.url?.includes("sendInitialEvents");
    streamed(isFirst ? [nothingThere] : [], "stay")(response, request, body);
  };
  let answer = taken;
  await using server = await scriptedServer((...asked) => answer(...asked));
  const clock = testClock();
  const datastore = new Datastore({
    client: new HttpsKubeClient({ server: server.url, clock, credentials: async () => ({ headers: {}, tls: {} }) }),
    ...{ node: "node-1" as NodeName, clock, logger: pino({ level: "silent" }), onChanges: () => undefined },
  });
  const detail = () => datastore.health().detail;
  datastore.start();
  await datastore.synced();
  expect(detail()).toBe("everything has been read");
  const refused = new Set<string>();
  answer = (response, request, body) => {
    refused.add(new URL(request.url ?? "", server.url).pathname);
    refusal(503, "ServiceUnavailable")(response, request, body);
  };
  for (const response of open) response.destroy();
  open.clear();
  await expect.poll(() => refused.size).toBe(agentKinds.length);
  expect(detail()).toContain("the API server does not answer: ");
  const late: (() => void)[] = [];
  answer = (...asked) => {
    if (asked[1].url?.startsWith("/api/v1/pods?")) late.push(() => taken(...asked));
    else taken(...asked);
  };
  await expect.poll(() => [open.size, late.length]).toEqual([agentKinds.length - 1, 1]);
  await expect.poll(detail).toMatch(/does not answer: .*\/pods/);
  for (const take of late) take();
  await expect.poll(detail).toBe("everything has been read");
  await datastore.stop();
});

// --- internal ---

const nothingThere = `${JSON.stringify({
  type: "BOOKMARK",
  object: { metadata: { resourceVersion: "7", annotations: { "k8s.io/initial-events-end": "true" } } },
})}\n`;
