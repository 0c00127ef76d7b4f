import { beforeEach, expect, test } from "vitest";
import { parseCalicoNetworkPolicy } from "../../../src/api/calico-network-policy.ts";
import { namespacedName } from "../../../src/api/names.ts";
import { emptySnapshot } from "../../../src/api/snapshot.ts";
import { TierController } from "../../../src/controllers/tiers/tier-controller.ts";
import { KubeError } from "../../../src/kube/client.ts";
import { noAgents } from "../../fakes/no-agents.ts";
import { stubClient } from "../../fakes/stub-client.ts";
import { testClock } from "../../fakes/test-clock.ts";

const group = "/apis/projectcalico.org/v3";
const alive = new AbortController().signal;
const finalizer = "projectcalico.org/tier-controller";

interface Tier {
  readonly metadata: Record<string, unknown>;
  readonly spec: object;
  readonly status?: object;
}

let tiers: Map<string, Tier>;
let policies: { name: string; namespace?: string; tier: string; plural: string }[];
let writes: [request: string, body: unknown][];
let events: string[];
let snapshot: ReturnType<typeof emptySnapshot>;
let refuse: ((request: string) => void) | undefined;

beforeEach(() => {
  [tiers, policies, writes, events, snapshot, refuse] = [new Map(), [], [], [], emptySnapshot(), undefined];
});

const client = stubClient((request, body, options) => {
  refuse?.(request);
  if (request === `GET ${group}/tiers`) return { items: [...tiers.values()] };
  if (request.startsWith("GET ")) {
    const plural = request.split("/").at(-1);
    const selector = options?.query?.["fieldSelector"];
    const found = policies.filter((one) => one.plural === plural && selector === `spec.tier=${one.tier}`);
    return { items: found.map(({ name, namespace }) => ({ metadata: { name, namespace } })) };
  }
  writes.push([request, body]);
  return {};
});

function controller(): TierController {
  return new TierController({
    ...{ client, snapshot, agents: noAgents, clock: testClock() },
    events: { record: (_, type, reason, message) => events.push(`${type} ${reason}: ${message}`) },
    logger: { debug() {}, info() {}, warn() {}, error() {} },
  });
}

function tier(name: string, metadata: object = {}, status?: object): void {
  const whole = { name, uid: "u", resourceVersion: "7", generation: 1, ...metadata };
  tiers.set(name, { metadata: whole, spec: {}, ...(status && { status }) });
}

const deleted = { deletionTimestamp: "2026-11-21T10:00:00Z", finalizers: ["other/one", finalizer] };

test("the built-in tiers are made as upstream has them, and only those that are missing", async () => {
  tier("default", { finalizers: [finalizer] });
  await controller().pass(alive);
  expect(writes.filter(([request]) => request.startsWith("POST"))).toEqual([
    [
      `POST ${group}/tiers`,
      expect.objectContaining({ metadata: { name: "kube-admin" }, spec: { order: 1000, defaultAction: "Pass" } }),
    ],
    [
      `POST ${group}/tiers`,
      expect.objectContaining({
        metadata: { name: "kube-baseline" },
        spec: { order: 10_000_000, defaultAction: "Pass" },
      }),
    ],
  ]);
});

test("a tier gets its finalizer and says that it is in force", async () => {
  for (const name of ["default", "kube-admin", "kube-baseline"]) tier(name, { finalizers: [finalizer] });
  tier("security", { finalizers: ["other/one"] });
  await controller().pass(alive);
  expect(writes).toContainEqual([
    `PATCH ${group}/tiers/security`,
    { metadata: { uid: "u", resourceVersion: "7", finalizers: ["other/one", finalizer] } },
  ]);
  expect(writes).toContainEqual([
    `PATCH ${group}/tiers/security/status`,
    expect.objectContaining({
      status: { conditions: [expect.objectContaining({ type: "Ready", status: "True", observedGeneration: 1 })] },
    }),
  ]);
});

test.each(["networkpolicies", "globalnetworkpolicies", "stagednetworkpolicies", "stagedglobalnetworkpolicies"])(
  "one of %s holds a deleted tier, and the tier says which",
  async (plural) => {
    tier("security", deleted);
    policies = [{ plural, tier: "security", namespace: "shop", name: "web" }];
    const one = controller();
    await one.pass(alive);
    expect(events).toEqual([expect.stringMatching(/^Warning Terminating: .* shop\/web is: delete it/)]);
    expect(writes.some(([request]) => request === `PATCH ${group}/tiers/security`)).toBe(false);
    expect(one.dueInMs()).toBeLessThan(60_000);
    policies = [{ plural, tier: "another", namespace: "shop", name: "web" }];
    await one.pass(alive);
    expect(writes.at(-1)).toEqual([
      `PATCH ${group}/tiers/security`,
      { metadata: { uid: "u", resourceVersion: "7", finalizers: ["other/one"] } },
    ]);
  },
);

test("a tier whose policies cannot be listed stays", async () => {
  tier("security", deleted);
  refuse = (request) => {
    if (request.endsWith("stagednetworkpolicies")) throw new KubeError("list", 500, "InternalError", "no answer");
  };
  await expect(controller().pass(alive)).rejects.toThrow("no answer");
  expect(writes.some(([request]) => request.includes("/tiers/security"))).toBe(false);
});

test("policies get the label that names their tier, also after they have moved", async () => {
  for (const name of ["default", "kube-admin", "kube-baseline"]) tier(name, { finalizers: [finalizer] });
  const policy = (name: string, labels: object, spec: object) =>
    snapshot.calicoNetworkPolicy instanceof Map &&
    snapshot.calicoNetworkPolicy.set(
      namespacedName("shop", name),
      parseCalicoNetworkPolicy({ metadata: { namespace: "shop", name, labels }, spec }),
    );
  policy("bare", {}, {});
  policy("moved", { "projectcalico.org/tier": "default" }, { tier: "security" });
  policy("right", { "projectcalico.org/tier": "security" }, { tier: "security" });
  await controller().pass(alive);
  const labelled = writes.filter(([request]) => request.includes("networkpolicies"));
  expect(labelled).toEqual([
    [
      `PATCH ${group}/namespaces/shop/networkpolicies/bare`,
      { metadata: { labels: { "projectcalico.org/tier": "default" } } },
    ],
    [
      `PATCH ${group}/namespaces/shop/networkpolicies/moved`,
      { metadata: { labels: { "projectcalico.org/tier": "security" } } },
    ],
  ]);
});

test("another writer's change is no error: the next pass comes soon", async () => {
  tier("security", { finalizers: [] });
  refuse = (request) => {
    if (request.startsWith("PATCH")) throw new KubeError("change", 409, "Conflict", "changed meanwhile");
  };
  const one = controller();
  await one.pass(alive);
  expect(one.dueInMs()).toBeLessThan(1000);
});
