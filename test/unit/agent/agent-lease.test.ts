import { pino } from "pino";
import { expect, test } from "vitest";
import { AgentLease } from "../../../src/agent/agent-lease.ts";
import type { NodeName } from "../../../src/api/names.ts";
import { KubeError } from "../../../src/kube/client.ts";
import type { Clock } from "../../../src/net/clock.ts";
import { type Responder, stubClient } from "../../fakes/stub-client.ts";

const leases = "/apis/coordination.k8s.io/v1/namespaces/margay-system/leases";
const patch = `PATCH ${leases}/margay-agent.node-1`;
const create = `POST ${leases}`;

/** A clock whose sleeps end when the test says so. */
function handClock() {
  const sleeping: { readonly ms: number; readonly end: () => void }[] = [];
  const clock: Clock = {
    now: () => Date.UTC(2026, 10, 21, 15, 0, 0, 123),
    monotonicNow: () => 0,
    random: () => 0.5,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        signal?.addEventListener("abort", () => reject(signal.reason));
        sleeping.push({ ms, end: resolve });
      }),
  };
  return { clock, sleeping };
}

function leaseOf(respond: Responder) {
  const { clock, sleeping } = handClock();
  const bodies: unknown[] = [];
  const client = stubClient((request, body, options) => {
    bodies.push(body);
    return respond(request, body, options);
  });
  const node = "node-1" as NodeName;
  const lease = new AgentLease({ node, client, clock, logger: pino({ level: "silent" }) });
  /** Once the lease pauses for the n-th time: for how long. */
  const pause = async (n: number) => {
    await expect.poll(() => sleeping.length).toBe(n);
    return sleeping[n - 1]?.ms;
  };
  return { lease, client, bodies, pause, wake: (n: number) => sleeping[n - 1]?.end() };
}

test("is made where it is missing, also when it was deleted, and renewed about every ten seconds", async () => {
  let isThere = false;
  const { lease, client, bodies, pause, wake } = leaseOf((request) => {
    if (request === create) isThere = true;
    else if (!isThere) throw new KubeError("change", 404, "NotFound", "not found");
  });
  lease.start();
  expect(await pause(1)).toBe(10_000);
  expect(client.sent).toEqual([patch, create]);
  expect(bodies[1]).toEqual({
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: { name: "margay-agent.node-1", namespace: "margay-system", annotations: {} },
    spec: { holderIdentity: "node-1", leaseDurationSeconds: 40, renewTime: "2026-11-21T15:00:00.123000Z" },
  });
  wake(1);
  expect(await pause(2)).toBe(10_000);
  expect(client.sent.slice(2)).toEqual([patch]);
  isThere = false;
  wake(2);
  await pause(3);
  expect(client.sent.slice(3)).toEqual([patch, create]);
  await lease.stop();
});

test("goes on while the API server is away, and tries sooner", async () => {
  let away = true;
  const { lease, client, pause, wake } = leaseOf(() => {
    if (away) throw new Error("no answer from the API server");
  });
  lease.start();
  expect(await pause(1)).toBe(2_000);
  wake(1);
  expect(await pause(2)).toBe(2_000);
  away = false;
  wake(2);
  expect(await pause(3)).toBe(10_000);
  expect(client.sent).toEqual([patch, patch, patch]);
  await lease.stop();
});

test("says at once where the agent answers, and takes away what an earlier agent has said", async () => {
  const { lease, bodies, pause } = leaseOf(() => ({}));
  const annotations = (n: number) => (bodies[n] as { metadata: { annotations: object } }).metadata.annotations;
  lease.start();
  await pause(1);
  expect(annotations(0)).toEqual({ "query.margay.io/endpoint": null, "query.margay.io/certificate": null });
  lease.publish({ url: "https://172.18.1.11:9095", certificate: "PEM" });
  await pause(2);
  expect(annotations(1)).toEqual({
    "query.margay.io/endpoint": "https://172.18.1.11:9095",
    "query.margay.io/certificate": "PEM",
  });
  await lease.stop();
  expect(bodies).toHaveLength(2);
});

test("what is published during a renewal is not lost", async () => {
  const first = Promise.withResolvers<object>();
  const { lease, bodies, pause } = leaseOf(() => (bodies.length === 1 ? first.promise : {}));
  lease.start();
  await expect.poll(() => bodies.length).toBe(1);
  lease.publish({ url: "https://172.18.1.11:9095", certificate: "PEM" });
  first.resolve({});
  await pause(2);
  expect(JSON.stringify(bodies[1])).toContain("172.18.1.11");
  await lease.stop();
});
