import { once } from "node:events";
import { connect } from "node:net";
import { text } from "node:stream/consumers";

export interface PodTarget {
  readonly address: string;
  readonly port: number;
  readonly protocol: "TCP" | "UDP";
  readonly timeoutMs: number;
  /** TCP only: which of its own addresses to ask from. */
  readonly from?: string;
}

/** `open`: a byte went there and came back. Else why not: `timeout`, `closed`, or the system's word, e.g. `ECONNREFUSED`. */
export type PodAnswer = string;

/** Lets the pod behind this control socket try all targets at once. Rejects when its process does not answer. */
export async function askPod(socketPath: string, targets: readonly PodTarget[]): Promise<readonly PodAnswer[]> {
  const socket = connect(socketPath);
  try {
    await once(socket, "connect");
    socket.write(`${JSON.stringify(targets)}\n`);
    return JSON.parse(await text(socket)) as PodAnswer[];
  } catch (cause) {
    throw new Error(`Cannot ask the pod at ${socketPath}: ${(cause as Error).message}`, { cause });
  } finally {
    socket.destroy();
  }
}
