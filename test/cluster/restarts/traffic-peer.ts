/**
 * The traffic of one pod, in its network namespace: it sends and listens as it is told, and says what happens.
 *   node traffic-peer.ts PORTS     PORTS: JSON, see `PeerPorts`
 * Orders come on its standard input, news goes to its standard output, a line of JSON each. It ends with its input.
 */
import { createSocket } from "node:dgram";
import { connect, createServer } from "node:net";
import { createInterface } from "node:readline";
import type { Destination, News, Order, PeerFigures, PeerPorts } from "./orders.ts";

/** Longer than TCP goes without another attempt while packets are lost for some seconds. */
const patienceMs = 30_000;
/** A SYN is sent again after a second (RFC 6298). */
const firstSynMs = 900;

const { echo, watched } = JSON.parse(process.argv[2] ?? "{}") as PeerPorts;
const figures: { -readonly [Key in keyof PeerFigures]: number } = {
  ...{ datagrams: 0, syns: 0, arrivals: 0, sent: 0, echoed: 0, longestMs: 0, renewed: 0, late: 0, renewing: 0 },
};
const known = new Set<string>();
let intrusion = new AbortController();
let isResting = false;

await Promise.all([...echo.map(echoOn), ...watched.flatMap((port) => [watchTcp(port), watchUdp(port)])]);
tell({ news: "listening" });
const orders = createInterface({ input: process.stdin });
orders.on("line", (line) => obey(JSON.parse(line) as Order));
orders.on("close", () => process.exit(0));

// --- internal ---

function obey(order: Order): void {
  switch (order.order) {
    case "hold":
      hold(order.to);
      break;
    case "renew":
      renew(order.to);
      break;
    case "intrude":
      intrude(order.into);
      break;
    case "withdraw":
      intrusion.abort();
      break;
    case "forget":
      figures.arrivals = 0;
      known.clear();
      break;
    case "rest":
      intrusion.abort();
      isResting = true;
      break;
    case "tell":
      tell({ news: "figures", ...figures });
  }
}

function tell(news: News): void {
  process.stdout.write(`${JSON.stringify(news)}\n`);
}

function echoOn(port: number): Promise<void> {
  const server = createServer({ noDelay: true }, (caller) => {
    caller.on("error", () => caller.destroy());
    caller.pipe(caller);
  });
  return new Promise((listening) => server.listen(port, listening));
}

function watchTcp(port: number): Promise<void> {
  const server = createServer((caller) => {
    caller.on("error", () => caller.destroy());
    arrived("TCP", caller.remoteAddress?.replace("::ffff:", "") ?? "?", port);
    caller.destroy();
  });
  return new Promise((listening) => server.listen(port, listening));
}

function watchUdp(port: number): Promise<void> {
  const socket = createSocket("udp4");
  socket.on("message", (_, { address }) => arrived("UDP", address, port));
  return new Promise((listening) => socket.bind(port, listening));
}

function arrived(protocol: "TCP" | "UDP", from: string, port: number): void {
  figures.arrivals++;
  const key = `${protocol} ${from} ${port}`;
  if (known.has(key)) return;
  known.add(key);
  tell({ news: "arrived", protocol, from, port });
}

function hold({ name, address, port }: Destination): void {
  const socket = connect({ host: address, port, noDelay: true });
  const under: number[] = [];
  let next = 0;
  const sending = setInterval(() => {
    const [first = performance.now()] = under;
    if (performance.now() - first > patienceMs) {
      end(`line ${next - under.length} has not come back for ${patienceMs / 1000} s`);
    } else if (!isResting && !socket.connecting) {
      under.push(performance.now());
      figures.sent++;
      socket.write(`${next++}\n`);
    }
  }, 50);
  const end = (why: string) => {
    clearInterval(sending);
    socket.removeAllListeners("close").destroy();
    tell({ news: "broken", name, why });
  };
  const lines = createInterface({ input: socket });
  // The socket tells it, too.
  lines.on("error", () => undefined);
  lines.on("line", (line) => {
    const sentAt = under.shift();
    const wanted = next - under.length - 1;
    if (sentAt === undefined || line !== `${wanted}`) {
      end(`${JSON.stringify(line)} came, not line ${wanted}`);
      return;
    }
    figures.echoed++;
    figures.longestMs = Math.max(figures.longestMs, performance.now() - sentAt);
    if (wanted === 0) tell({ news: "held", name });
  });
  let error = "closed by the other end";
  socket.on("error", ({ message }) => {
    error = message;
  });
  socket.on("close", () => end(`${error}, with ${under.length} lines under way`));
}

function renew(to: Destination): void {
  setInterval(() => {
    if (!isResting) renewOnce(to);
  }, 250);
}

function renewOnce({ name, address, port }: Destination): void {
  const startedAt = performance.now();
  figures.renewing++;
  const socket = connect({ host: address, port, noDelay: true });
  const end = (why?: string) => {
    clearTimeout(timer);
    socket.removeAllListeners().on("error", () => undefined);
    socket.destroy();
    figures.renewing--;
    if (why === undefined) {
      figures.renewed++;
      if (performance.now() - startedAt > firstSynMs) figures.late++;
    } else tell({ news: "broken", name, why: `a new connection: ${why}` });
  };
  const timer = setTimeout(() => end(`no answer within ${patienceMs / 1000} s`), patienceMs);
  socket.once("connect", () => socket.write("?"));
  socket.once("data", () => end());
  socket.once("error", ({ message }) => end(message));
  socket.once("close", () => end("closed by the other end"));
}

/** With new sockets each time: what the kernel knows of earlier ones does not help these. */
function intrude(into: readonly Destination[]): void {
  intrusion.abort();
  intrusion = new AbortController();
  const { signal } = intrusion;
  const repeat = (everyMs: number, work: () => void) => {
    const timer = setInterval(work, everyMs);
    signal.addEventListener("abort", () => clearInterval(timer));
  };
  for (const { address, port } of into) {
    const socket = createSocket("udp4");
    signal.addEventListener("abort", () => socket.close());
    repeat(10, () =>
      socket.send("!", port, address, (error) => {
        if (error === null) figures.datagrams++;
      }),
    );
    repeat(50, () => knock(address, port));
  }
}

function knock(address: string, port: number): void {
  figures.syns++;
  const socket = connect({ host: address, port });
  const timer = setTimeout(() => socket.destroy(), 300);
  socket.once("connect", () => socket.destroy());
  socket.on("error", () => socket.destroy());
  socket.once("close", () => clearTimeout(timer));
}
