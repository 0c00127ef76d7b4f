/** The machine outside the cluster: it echoes and asks as pods do, from two addresses. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { LabLayout } from "./layout.ts";
import { startProcess } from "./processes.ts";
import { waitFor } from "./wait.ts";

/** Its control socket (see pod.ts), on the machine. */
export function clientSocket({ folder }: LabLayout): string {
  return join(folder, "client.sock");
}

/** TCP port of the outside client, on each of its addresses. */
export const clientPort = 8080;

/** Starts its process; resolves when it listens. */
export async function startClient(layout: LabLayout): Promise<void> {
  const socket = clientSocket(layout);
  const ports = JSON.stringify([{ port: clientPort, protocol: "TCP" }]);
  await startProcess({
    folder: layout.folder,
    name: "outside-client",
    argv: [process.execPath, join(import.meta.dirname, "pod.ts"), socket, ports],
    netns: layout.client,
    lifetime: "lab",
  });
  await waitFor("the outside client", { timeoutMs: 20_000, everyMs: 20 }, async () => existsSync(socket) || undefined);
}
