/** `margay controllers` beside the control plane, as its Deployment would run it on the host network. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { kubeconfigText } from "./certificates.ts";
import type { ControlPlane } from "./control-plane.ts";
import { controlAddress, type LabLayout } from "./layout.ts";
import { startProcess } from "./processes.ts";

/** The aggregated API that the controllers serve. */
export const queryApiService = "v1.query.margay.io";

/** What the Service of manifests/query-api.yaml leads to. */
const queryPort = 9096;
const repository = join(import.meta.dirname, "..");

/** Starts them as their ServiceAccount, and points their Service at them. Their manifests must have been applied. */
export async function startControllers(layout: LabLayout, { kubectl, url, authority }: ControlPlane): Promise<void> {
  const argv = ["create", "token", "margay-controllers", "--namespace=margay-system", "--duration=8760h"];
  const token = (await kubectl(argv)).trim();
  const kubeconfig = join(layout.folder, "controllers.kubeconfig");
  await writeFile(kubeconfig, await kubeconfigText({ server: url, authority, credentials: { token } }), {
    mode: 0o600,
  });
  await kubectl(["apply", "--server-side", "-f", "-"], JSON.stringify(endpoints));
  await startProcess({
    folder: layout.folder,
    name: "controllers",
    argv: [
      ...([process.execPath, join(repository, "src", "cli", "main.ts"), "controllers"] as const),
      ...["--kubeconfig", kubeconfig, "--query-address", controlAddress, "--query-port", `${queryPort}`],
    ],
    netns: layout.control,
    lifetime: "lab",
  });
}

// --- internal ---

/** They are no pod, so nobody else finds them for the Service. */
const endpoints = {
  apiVersion: "discovery.k8s.io/v1",
  kind: "EndpointSlice",
  metadata: {
    name: "margay-query-lab",
    namespace: "margay-system",
    labels: { "kubernetes.io/service-name": "margay-query", "endpointslice.kubernetes.io/managed-by": "margay-lab" },
  },
  addressType: "IPv4",
  ports: [{ name: "https", port: queryPort, protocol: "TCP" }],
  endpoints: [{ addresses: [controlAddress], conditions: { ready: true } }],
};
