import { expect, test } from "vitest";
import { findUses } from "../../../src/cli/ipam-evidence.ts";
import type { Allocation } from "../../../src/ipam/block.ts";
import { HttpsKubeClient } from "../../../src/kube/https-client.ts";
import type { Ip } from "../../../src/net/ip.ts";
import { json, refusal, scriptedServer } from "../../fakes/scripted-server.ts";
import { testClock } from "../../fakes/test-clock.ts";

const allocation: Allocation = {
  ip: "10.1.0.9" as Ip,
  attribute: { handle_id: "h", secondary: { namespace: "shop", pod: "web", node: "node-1" } },
  sequenceNumber: undefined,
};

test.each([
  [refusal(403, "Forbidden"), "Ask for the right to get nodeaddresses of query.margay.io"],
  [refusal(404, "NotFound"), "The cluster serves no query API, or knows no such node: see that margay controllers run"],
  [refusal(503, "ServiceUnavailable"), "See that margay controllers and the agent of node node-1 run, and try again"],
  [json({ nothing: 1 }), "See that margay controllers and the agent of node node-1 run, and try again"],
])("without a node's answer an address is kept, with what to do about it", async (answer, remedy) => {
  // The pod is gone.
  await using server = await scriptedServer(refusal(404, "NotFound"), answer);
  const credentials = async () => ({ headers: {}, tls: {} });
  const client = new HttpsKubeClient({ server: server.url, credentials, clock: testClock() });
  const [finding] = await findUses(client, [allocation]);
  client.close();
  expect(server.requests).toEqual([
    "GET /api/v1/namespaces/shop/pods/web",
    "GET /apis/query.margay.io/v1/nodeaddresses/node-1?ip=10.1.0.9",
  ]);
  expect(finding?.keep).toMatch(/^node node-1 could not be asked whether it uses it: Cannot read .*\. /);
  expect(finding?.keep?.endsWith(`. ${remedy}`)).toBe(true);
});
