/**
 * The only program that the lab's pods run, one process each in the pod's namespaces: it echoes on its ports, and asks other
 * addresses when it is told to.
 *   node lab/pod.ts SOCKET PORTS     PORTS: JSON, [{"port":8080,"protocol":"TCP"},…]
 * On the unix socket: a line of JSON, a list of `PodTarget`; the answer is a line of JSON, a `PodAnswer` for each.
 */
import { createSocket } from "node:dgram";
import { renameSync } from "node:fs";
import { connect, createServer } from "node:net";
import { createInterface } from "node:readline";
import type { PodAnswer, PodTarget } from "./ask-pod.ts";
import type { EchoPort } from "./runtime/pod-object.ts";

const [socketPath = "", portsJson = "[]"] = process.argv.slice(2);

for (const { port, protocol } of JSON.parse(portsJson) as EchoPort[]) {
  if (protocol === "TCP") echoTcp(port);
  else echoUdp(port);
}

const control = createServer((caller) => {
  createInterface({ input: caller }).once("line", async (line) => {
    const targets = JSON.parse(line) as PodTarget[];
    const answers = await Promise.all(
      targets.map((target) => (target.protocol === "TCP" ? askTcp(target) : askUdp(target))),
    );
    caller.end(`${JSON.stringify(answers)}\n`);
  });
  caller.on("error", () => caller.destroy());
});
// Whoever sees the name finds somebody listening.
control.listen(`${socketPath}.new`, () => renameSync(`${socketPath}.new`, socketPath));

function echoTcp(port: number): void {
  const server = createServer((caller) => {
    caller.on("error", () => caller.destroy());
    caller.pipe(caller);
  });
  server.listen(port);
}

function echoUdp(port: number): void {
  const socket = createSocket("udp4");
  socket.on("message", (message, from) => socket.send(message, from.port, from.address));
  socket.bind(port);
}

/** A connection counts once its first byte came back. */
function askTcp({ address, port, timeoutMs, from }: PodTarget): Promise<PodAnswer> {
  const { promise, resolve } = Promise.withResolvers<PodAnswer>();
  const socket = connect({ host: address, port, ...(from === undefined ? {} : { localAddress: from }) });
  const timer = setTimeout(() => resolve("timeout"), timeoutMs);
  socket.once("connect", () => socket.write("?"));
  socket.once("data", () => resolve("open"));
  socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  socket.once("end", () => resolve("closed"));
  return promise.finally(() => {
    clearTimeout(timer);
    socket.destroy();
  });
}

function askUdp({ address, port, timeoutMs }: PodTarget): Promise<PodAnswer> {
  const { promise, resolve } = Promise.withResolvers<PodAnswer>();
  const socket = createSocket("udp4");
  const timer = setTimeout(() => resolve("timeout"), timeoutMs);
  socket.once("message", () => resolve("open"));
  socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  socket.connect(port, address, () => socket.send("?"));
  return promise.finally(() => {
    clearTimeout(timer);
    socket.close();
  });
}
