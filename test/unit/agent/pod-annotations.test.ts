import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { expect, test } from "vitest";
import { PodAnnotations } from "../../../src/agent/pod-annotations.ts";
import { type NamespacedName, type NodeName, namespacedName } from "../../../src/api/names.ts";
import type { Attachment, Labels, Pod } from "../../../src/api/objects.ts";
import { vethName } from "../../../src/cni/veth-name.ts";
import { KubeError } from "../../../src/kube/client.ts";
import { parseIp } from "../../../src/net/ip.ts";
import { type Responder, stubClient } from "../../fakes/stub-client.ts";
import { testClock } from "../../fakes/test-clock.ts";

const node = "node-1" as NodeName;
const web = namespacedName("shop", "web");
const written = {
  "cni.projectcalico.org/containerID": "c1",
  "cni.projectcalico.org/podIP": "10.0.0.1/32",
  "cni.projectcalico.org/podIPs": "10.0.0.1/32,fd00::1/128",
};
const nothingWired = { attachments: [], doubtful: new Set<string>() };

function setUp(pods: readonly Pod[], respond: Responder = () => ({}), isBusy = () => false) {
  const bodies: unknown[] = [];
  const warnings: string[] = [];
  const client = stubClient((request, body, options) => {
    bodies.push(body);
    return respond(request, body, options);
  });
  const cache = new Map<NamespacedName, Pod>(pods.map((pod) => [namespacedName(pod.namespace, pod.name), pod]));
  const clock = testClock();
  const logger = pino({ level: "warn" }, { write: (line: string) => warnings.push(JSON.parse(line).msg) });
  const annotations = new PodAnnotations({ node, client, pods: cache, isBusy, clock, logger });
  return { annotations, client, bodies, cache, warnings, clock };
}

/** Long enough for anything that is going to be sent. */
const settle = () => sleep(20);

test("an ADD is one patch for the pod of this UID, rounded to milliseconds", async () => {
  const { annotations, client, bodies } = setUp([podOf({})]);
  annotations.begin(nothingWired);
  annotations.announce(attachmentOf({}), 12.6);
  await settle();
  expect(client.sent).toEqual(["PATCH /api/v1/namespaces/shop/pods/web/status"]);
  expect(bodies).toEqual([
    { metadata: { uid: "uid-web", annotations: { ...written, "cni.margay.io/policyReadyMs": "13" } } },
  ]);
});

test("while callers wait for the node nothing is written, but not for long", async () => {
  let isBusy = true;
  const { annotations, client, clock } = setUp([podOf({})], undefined, () => isBusy);
  annotations.begin(nothingWired);
  annotations.announce(attachmentOf({}), 12);
  await settle();
  expect(client.sent).toEqual([]);
  isBusy = false;
  await settle();
  expect(client.sent).toHaveLength(1);
  isBusy = true;
  annotations.retract(attachmentOf({}));
  clock.pass(1000);
  await settle();
  expect(client.sent).toHaveLength(2);
});

test("a DEL is one patch that the API server makes if the pod and its container are these", async () => {
  const { annotations, bodies } = setUp([podOf({})]);
  annotations.begin(nothingWired);
  annotations.retract(attachmentOf({}));
  await settle();
  expect(bodies).toEqual([
    [
      { op: "test", path: "/metadata/uid", value: "uid-web" },
      { op: "test", path: "/metadata/annotations/cni.projectcalico.org~1containerID", value: "c1" },
      { op: "add", path: "/metadata/annotations/cni.projectcalico.org~1podIP", value: "" },
      { op: "add", path: "/metadata/annotations/cni.projectcalico.org~1podIPs", value: "" },
    ],
  ]);
});

test("a further interface of a pod is not told of", async () => {
  const { annotations, client } = setUp([podOf({})]);
  const further = attachmentOf({ interfaceName: "net1", hostInterface: "cali0123456789a" });
  annotations.begin({ ...nothingWired, attachments: [further] });
  annotations.announce(further, 1);
  annotations.retract(further);
  await settle();
  expect(client.sent).toEqual([]);
});

test.for<[string, Partial<Pod>]>([
  ["made anew", { uid: "another" }],
  ["on another node", { node: "node-2" as NodeName }],
])("a pod of the name that is %s is not written to", async ([, facts]) => {
  const { annotations, client } = setUp([podOf(facts)]);
  annotations.begin(nothingWired);
  annotations.announce(attachmentOf({ podUid: facts.uid === undefined ? undefined : "uid-web" }), 1);
  await settle();
  expect(client.sent).toEqual([]);
});

test("without a UID of the runtime's it is the pod that the cache has, as soon as it has one", async () => {
  const { annotations, bodies, cache, clock } = setUp([]);
  annotations.begin(nothingWired);
  annotations.announce(attachmentOf({ podUid: undefined }), 1);
  await settle();
  expect(bodies).toEqual([]);
  cache.set(web, podOf({ uid: "mirror" }));
  await expect
    .poll(() => {
      // The longest pause between two attempts.
      clock.wake();
      return bodies;
    })
    .toMatchObject([{ metadata: { uid: "mirror" } }]);
});

test("what the API server did not take is tried again until a DEL makes it pointless", async () => {
  let isAway = true;
  const { annotations, client, bodies, warnings } = setUp([podOf({})], () => {
    if (isAway) throw new KubeError("change", 503, "ServiceUnavailable", "away");
  });
  annotations.begin(nothingWired);
  annotations.announce(attachmentOf({}), 1);
  await expect.poll(() => client.sent.length).toBeGreaterThan(3);
  annotations.retract(attachmentOf({}));
  const before = bodies.length;
  isAway = false;
  await expect.poll(() => bodies.at(-1)).toBeInstanceOf(Array);
  await settle();
  expect(bodies.slice(before + 1).filter((body) => !Array.isArray(body))).toEqual([]);
  expect(warnings).toEqual(["cannot write a pod's annotations: trying again (Cannot change: away)"]);
});

test.for([
  ["NotFound", 404],
  ["Invalid", 422],
] as const)("a DEL whose pod or container is another by now (%s) is done", async ([reason, status]) => {
  const { annotations, client, warnings } = setUp([podOf({})], () => {
    throw new KubeError("change", status, reason, "no");
  });
  annotations.begin(nothingWired);
  annotations.retract(attachmentOf({}));
  await settle();
  expect([client.sent.length, warnings]).toEqual([1, []]);
});

test("nothing is written before the cache is whole", async () => {
  const { annotations, client } = setUp([podOf({})]);
  annotations.announce(attachmentOf({}), 1);
  await settle();
  expect(client.sent).toEqual([]);
  annotations.begin({ ...nothingWired, attachments: [attachmentOf({})] });
  await settle();
  expect(client.sent).toHaveLength(1);
});

test("at the start what is missing is written, without a time, and what is right is not", async () => {
  const other = namespacedName("shop", "db");
  const right = podOf({ annotations: written });
  const wrong = podOf({ name: "db", uid: "uid-db", annotations: { ...written, "cni.margay.io/policyReadyMs": "5" } });
  const { annotations, bodies } = setUp([right, wrong]);
  const wired = attachmentOf({
    containerId: "c2",
    pod: other,
    podUid: "uid-db",
    hostInterface: vethName("shop", "db"),
  });
  annotations.begin({ ...nothingWired, attachments: [attachmentOf({}), wired] });
  await settle();
  expect(bodies).toMatchObject([
    {
      metadata: {
        uid: "uid-db",
        annotations: { "cni.projectcalico.org/containerID": "c2", "cni.margay.io/policyReadyMs": null },
      },
    },
  ]);
});

test.for<[string, Partial<Pod>, readonly string[], number]>([
  ["an agent's, and its container is gone", {}, [], 1],
  ["an agent's, whose container cannot be told of", {}, ["c1"], 0],
  ["of another node", { node: "node-2" as NodeName }, [], 0],
  ["of upstream's plugin", { annotations: written }, [], 0],
  ["emptied", { annotations: ours({ "cni.projectcalico.org/podIP": "" }) }, [], 0],
])("at the start annotations that are %s: %#", async ([, facts, doubtful, requests]) => {
  const { annotations, client } = setUp([podOf({ annotations: ours({}), ...facts })]);
  annotations.begin({ attachments: [], doubtful: new Set(doubtful) });
  await settle();
  expect(client.sent).toHaveLength(requests);
});

test("an agent that cannot tell what is wired takes nothing back", async () => {
  const { annotations, client } = setUp([podOf({ annotations: ours({}) })]);
  annotations.begin(undefined);
  await settle();
  expect(client.sent).toEqual([]);
});

test("it ends though it never began, and though the API server does not answer", async () => {
  const idle = setUp([podOf({})]);
  idle.annotations.announce(attachmentOf({}), 1);
  await idle.annotations.stop();
  expect(idle.client.sent).toEqual([]);
  const busy = setUp(
    [podOf({})],
    (_request, _body, { signal }) =>
      new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason))),
  );
  busy.annotations.begin(nothingWired);
  busy.annotations.announce(attachmentOf({}), 1);
  await settle();
  await busy.annotations.stop();
  expect([busy.client.sent.length, busy.warnings]).toEqual([1, []]);
});

// --- internal ---

function ours(changes: Labels): Labels {
  return { ...written, "cni.margay.io/policyReadyMs": "5", ...changes };
}

function podOf(facts: Partial<Pod>): Pod {
  return {
    ...{ namespace: "shop", name: "web", uid: "uid-web", labels: {}, annotations: {}, node },
    ...{ serviceAccount: "default", ips: [], annotatedIps: [], hostNetwork: false, namedPorts: [], finished: false },
    ...facts,
  } as Pod;
}

function attachmentOf(facts: Partial<Attachment>): Attachment {
  return {
    ...{ containerId: "c1", interfaceName: "eth0", hostInterface: vethName("shop", "web"), netns: "/run/netns/web" },
    ...{ pod: web, podUid: "uid-web", addresses: [parseIp("10.0.0.1"), parseIp("fd00::1")], mtu: 1500 },
    ...facts,
  };
}
