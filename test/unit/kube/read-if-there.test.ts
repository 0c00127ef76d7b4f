import { expect, test } from "vitest";
import { HttpsKubeClient } from "../../../src/kube/https-client.ts";
import { readIfThere } from "../../../src/kube/read-if-there.ts";
import { type Answer, json, refusal, scriptedServer } from "../../fakes/scripted-server.ts";
import { testClock } from "../../fakes/test-clock.ts";

async function reading(answer: Answer): Promise<unknown> {
  await using server = await scriptedServer(answer);
  const credentials = async () => ({ headers: {}, tls: {} });
  const client = new HttpsKubeClient({ server: server.url, credentials, clock: testClock() });
  try {
    return await readIfThere(client, "/x");
  } finally {
    client.close();
  }
}

test("an object that the API server does not know is undefined", async () => {
  expect(await reading(json({ kind: "X" }))).toEqual({ kind: "X" });
  expect(await reading(refusal(404, "NotFound"))).toBeUndefined();
});

test("that nobody knows the kind, or who answers, is no word on the object", async () => {
  const page: Answer = (response) => response.writeHead(404).end("404 page not found");
  await expect(reading(page)).rejects.toMatchObject({ status: 404, message: "Cannot read /x: 404 page not found" });
  await expect(reading(refusal(403, "Forbidden"))).rejects.toMatchObject({ status: 403 });
});
