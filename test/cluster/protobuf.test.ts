import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ControlPlane, startControlPlane } from "../../lab/control-plane.ts";
import { resourcePath } from "../../src/api/kinds.ts";
import { systemClock } from "../../src/host/clock.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { type FedKind, feeds } from "../../src/kube/fed-kinds.ts";
import { connect } from "../../src/kube/kubeconfig.ts";
import { listAll } from "../../src/kube/list-all.ts";
import { podMessage } from "../../src/kube/protobuf/core-messages.ts";
import type { WatchFrame } from "../../src/kube/protobuf/envelope.ts";
import type { Message } from "../../src/kube/protobuf/message.ts";
import { objects } from "./protobuf-objects.ts";

let folder: string;
let plane: ControlPlane;
let client: KubeClient;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "margay-protobuf-"));
  plane = await startControlPlane({ folder: join(folder, "plane"), components: "api" });
  await plane.kubectl(["create", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "List", items: objects }));
  for (const { kind, metadata, status } of objects) {
    if (status === undefined) continue;
    const argv = ["patch", kind, metadata.name, "--subresource=status", "--type=merge", "--namespace=default"];
    await plane.kubectl([...argv, `--patch=${JSON.stringify({ status })}`]);
  }
  await plane.kubectl(["delete", "pod", "going", "--wait=false", "--namespace=default"]);
  client = await connect({ kubeconfig: plane.kubeconfig, clock: systemClock });
});

afterAll(async () => {
  client?.close();
  await plane?.stop();
  await rm(folder, { recursive: true, force: true });
});

const kinds = (Object.keys(feeds) as FedKind[]).filter((kind) => feeds[kind].message !== undefined);

test.each(kinds)("%s: what comes as protobuf is what comes as JSON", async (kind) => {
  const { resource, message } = feeds[kind];
  const path = resourcePath(resource);
  const text = await listAll<object>(client, path);
  const binary = await listAll<object>(client, path, { message, pageSize: 2 });
  expect(text.length).toBeGreaterThan(0);
  for (const [index, object] of binary.entries()) expect(text[index]).toMatchObject(object);
  const parsed = (list: readonly object[]) => list.map((one) => feeds[kind].parse(one));
  expect(parsed(binary)).toEqual(parsed(text));
  expect(await watched(path, message)).toEqual(binary);
});

test("a refusal keeps its status, reason and words", async () => {
  const asked = client.request("GET", "/api/v1/namespaces/default/pods/none", { message: podMessage });
  const words = 'Cannot read /api/v1/namespaces/default/pods/none: pods "none" not found';
  await expect(asked).rejects.toMatchObject({ name: "KubeError", status: 404, reason: "NotFound", message: words });
});

test("a kind that has no protobuf comes as JSON all the same", async () => {
  const path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
  await plane.kubectl(["apply", "-f", join(import.meta.dirname, "../../crds/projectcalico.org_ippools.yaml")]);
  await plane.kubectl(["wait", "--for=condition=Established", "--all", "crd", "--timeout=60s"]);
  expect(await client.request("GET", path)).toMatchObject({ kind: "CustomResourceDefinitionList" });
  const pools = await client.request("GET", "/apis/projectcalico.org/v3/ippools", { message: podMessage });
  expect(pools).toMatchObject({ kind: "IPPoolList", items: [] });
});

/** What a watch-list tells first, sorted as a list is. */
async function watched(path: string, message: Message | undefined): Promise<readonly object[]> {
  const ended = new AbortController();
  const query = {
    watch: true,
    allowWatchBookmarks: true,
    sendInitialEvents: true,
    resourceVersionMatch: "NotOlderThan",
  };
  const told: { readonly metadata: { readonly namespace?: string; readonly name: string } }[] = [];
  for await (const batch of client.stream(path, { query, signal: ended.signal, ...(message && { message }) })) {
    for (const { type, object } of batch as readonly WatchFrame[]) {
      if (type !== "BOOKMARK") {
        expect(type).toBe("ADDED");
        told.push(object as (typeof told)[number]);
        continue;
      }
      expect(object).toMatchObject({ metadata: { annotations: { "k8s.io/initial-events-end": "true" } } });
      ended.abort();
    }
  }
  const keyOf = ({ metadata }: (typeof told)[number]) => `${metadata.namespace ?? ""}/${metadata.name}`;
  return told.sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}
