import { readFileSync } from "node:fs";
import { onTestFinished } from "vitest";
import { systemClock } from "../../src/host/clock.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { HttpsKubeClient } from "../../src/kube/https-client.ts";

/** A cluster whose administrator can be asked. */
interface Cluster {
  readonly kubeconfig: string;
  kubectl(argv: readonly string[]): Promise<string>;
}

/** A client with an agent's rights, for one test; `bound` are the arguments of `kubectl create token` that bind its token. */
export async function agentClient(on: Cluster, ...bound: readonly string[]): Promise<KubeClient> {
  const argv = ["create", "token", "margay-agent", "--namespace=margay-system", ...bound];
  const token = (await on.kubectl(argv)).trim();
  const [{ cluster }] = JSON.parse(readFileSync(on.kubeconfig, "utf8")).clusters;
  const tls = { ca: Buffer.from(cluster["certificate-authority-data"], "base64") };
  const credentials = async () => ({ headers: { authorization: `Bearer ${token}` }, tls });
  const client = new HttpsKubeClient({ server: cluster.server, credentials, clock: systemClock });
  onTestFinished(() => client.close());
  return client;
}
