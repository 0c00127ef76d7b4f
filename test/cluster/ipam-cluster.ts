import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ControlPlane, startControlPlane } from "../../lab/control-plane.ts";
import { systemClock } from "../../src/host/clock.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { connect } from "../../src/kube/kubeconfig.ts";
import { type Relay, startRelay } from "../fakes/relay.ts";

/** A real API server with our kinds, and a relay before it for those whose connections are to be cut. */
export interface IpamCluster extends AsyncDisposable {
  readonly plane: ControlPlane;
  readonly client: KubeClient;
  readonly relay: Relay;
  /** The administrator's, through the relay. */
  readonly relayed: string;
  /** Removes every record, pool, node and pod. */
  clear(): Promise<void>;
  /** `spec` as JSON would have it. */
  create(
    path: string,
    object: { readonly metadata: { readonly name: string } } & Record<string, unknown>,
  ): Promise<void>;
}

const emptied = [
  ...["ipamblocks", "blockaffinities", "ipamhandles", "ippools", "ipamconfigurations"],
  "kubecontrollersconfigurations",
];
const crds = join(import.meta.dirname, "../../crds");

/** The path of our kinds. */
export const group = "/apis/projectcalico.org/v3";

/** Starts it; whatever was started ends with it. */
export async function startIpamCluster(): Promise<IpamCluster> {
  await using undo = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "margay-ipam-"));
  undo.defer(() => rm(folder, { recursive: true, force: true }));
  const plane = await startControlPlane({ folder: join(folder, "plane"), components: "api" });
  undo.defer(() => plane.stop());
  await plane.kubectl(["apply", "-f", crds]);
  await plane.kubectl(["wait", "--for=condition=Established", "--all", "crd", "--timeout=60s"]);
  const relay = undo.use(await startRelay(() => Number(new URL(plane.url).port)));
  const relayed = join(folder, "relayed.kubeconfig");
  const text = (await readFile(plane.kubeconfig, "utf8")).replaceAll(plane.url, `https://127.0.0.1:${relay.port}`);
  await writeFile(relayed, text, { mode: 0o600 });
  const client = await connect({ kubeconfig: plane.kubeconfig, clock: systemClock });
  undo.defer(() => client.close());
  const all = undo.move();
  return {
    ...{ plane, client, relay, relayed },
    clear: async () => {
      for (const plural of emptied) await client.request("DELETE", `${group}/${plural}`);
      await client.request("DELETE", "/api/v1/nodes");
      // Where garbage collection writes down what it frees.
      const kind = { apiVersion: "projectcalico.org/v3", kind: "KubeControllersConfiguration" };
      await client.request("POST", `${group}/kubecontrollersconfigurations`, {
        body: { ...kind, metadata: { name: "default" }, spec: { controllers: {} } },
      });
    },
    create: async (path, object) => {
      await client.request("POST", path, { body: object });
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}
