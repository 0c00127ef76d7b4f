import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { type LabPod, podNetns } from "../../lab/lab-pods.ts";
import type { LabLayout } from "../../lab/layout.ts";
import { enterNode } from "../../lab/node.ts";

/** One TCP connection out of a pod to an echo port, kept open. Disposing of it closes it. */
export interface HeldConnection extends Disposable {
  /** Sends a line and resolves when it came back. Rejects when the connection ends, or nothing comes within 5 s. */
  roundTrip(): Promise<void>;
}

/** Runs in the pod's network namespace: each line of its input goes over one connection, each that comes back is printed. */
const program = `
const socket = require("node:net").connect(Number(process.argv[2]), process.argv[1]);
socket.on("connect", () => console.log("connected"));
socket.pipe(process.stdout);
process.stdin.pipe(socket);
socket.on("close", () => process.exit(3));
socket.on("error", (error) => { console.error(error.message); process.exit(4); });
`;

/** Resolves once connected. */
export async function holdConnection(
  layout: LabLayout,
  from: LabPod,
  to: { address: string; port: number },
): Promise<HeldConnection> {
  const [command, ...rest] = [
    ...enterNode(layout, from.node),
    ...["nsenter", `--net=/run/netns/${podNetns(from)}`, "--"],
    ...[process.execPath, "-e", program, to.address, `${to.port}`],
  ] as [string, ...string[]];
  const child = spawn(command, rest);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  await nextLine(child, lines, "connected");
  let count = 0;
  return {
    roundTrip: async () => {
      const line = `line ${count++}`;
      child.stdin.write(`${line}\n`);
      await nextLine(child, lines, line);
    },
    [Symbol.dispose]: () => {
      child.kill("SIGKILL");
    },
  };
}

// --- internal ---

async function nextLine(
  child: ChildProcessWithoutNullStreams,
  lines: AsyncIterator<string>,
  expected: string,
): Promise<void> {
  const timer = setTimeout(() => child.kill("SIGKILL"), 5_000);
  const { value, done } = await lines.next();
  clearTimeout(timer);
  if (done === true || value !== expected)
    throw new Error(`Cannot go on: the connection gave ${JSON.stringify(value)}, not ${expected}`);
}
