import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

/** A program at one end of TCP connections, in a network namespace; it ends with being disposed of. */
export interface TcpPeer extends Disposable {
  /** Resolves to whether it prints the line, or has printed it, within `ms`. */
  hears(line: string, ms: number): Promise<boolean>;
  /** Gives it a line to send. */
  says(line: string): void;
}

/** Sends back whatever it gets on the port, of both families; it prints `ready` first. */
export function echoServer(namespace: string, port: number): TcpPeer {
  const listen = `listen(${port}, "::", () => console.log("ready"))`;
  return startPeer(namespace, `net.createServer((socket) => socket.on("error", () => {}).pipe(socket)).${listen};`);
}

/** Tells whoever connects, of either family, where it sees it come from and what it is reached at: `FROM AT`, two addresses. It prints `ready` first. */
export function addressServer(namespace: string, port: number): TcpPeer {
  const tell = `const plain = (ip) => ip.replace("::ffff:", ""); const onCall = (socket) => {
    socket.on("error", () => {}).end(plain(socket.remoteAddress) + " " + plain(socket.localAddress) + "\\n"); };`;
  return startPeer(namespace, `${tell} net.createServer(onCall).listen(${port}, "::", () => console.log("ready"));`);
}

/** Connects, prints `open` once it is, and then every line that comes. `from` is the address that it does it from. */
export function caller(
  namespace: string,
  to: { readonly ip: string; readonly port: number; readonly from?: string },
): TcpPeer {
  const options = JSON.stringify({ host: to.ip, port: to.port, ...(to.from && { localAddress: to.from }) });
  const connect = `const socket = net.connect(${options}, () => console.log("open"));`;
  return startPeer(namespace, `${connect} process.stdin.pipe(socket).pipe(process.stdout);`);
}

/** As `echoServer`, over UDP. */
export function udpEchoServer(namespace: string, port: number): TcpPeer {
  const echo = `socket.on("message", (bytes, { port, address }) => socket.send(bytes, port, address));`;
  const socket = `const socket = require("node:dgram").createSocket("udp6");`;
  return startPeer(namespace, `${socket} ${echo} socket.bind(${port}, "::", () => console.log("ready"));`);
}

/** As `caller`, over UDP; it prints `open` at once. */
export function udpCaller(namespace: string, to: { readonly ip: string; readonly port: number }): TcpPeer {
  const type = to.ip.includes(":") ? "udp6" : "udp4";
  const socket = `const socket = require("node:dgram").createSocket("${type}"); console.log("open");`;
  const hear = `socket.on("message", (bytes) => process.stdout.write(bytes));`;
  const say = `process.stdin.on("data", (bytes) => socket.send(bytes, ${to.port}, "${to.ip}"));`;
  return startPeer(namespace, `${socket} ${hear} ${say}`);
}

/** Sends whoever connects a line each 20 ms, `1` and so on. */
export function pushServer(namespace: string, port: number): TcpPeer {
  const push = `let line = 0; setInterval(() => socket.write(\`\${++line}\\n\`), 20);`;
  const server = `net.createServer((socket) => { socket.on("error", () => {}); ${push} })`;
  return startPeer(namespace, `${server}.listen(${port}, "::", () => console.log("ready"));`);
}

// --- internal ---

function startPeer(namespace: string, source: string): TcpPeer {
  const argv = ["netns", "exec", namespace, process.execPath, "--eval", `const net = require("node:net"); ${source}`];
  const child: ChildProcess = spawn("ip", argv, { stdio: ["pipe", "pipe", "inherit"] });
  const lines = new Set<string>();
  if (child.stdout !== null) createInterface({ input: child.stdout }).on("line", (line) => lines.add(line));
  // Its end is told by what it does not print.
  child.stdin?.on("error", () => undefined);
  return {
    hears: async (line, ms) => {
      for (const end = performance.now() + ms; !lines.has(line) && performance.now() < end; ) await sleep(20);
      return lines.has(line);
    },
    says: (line) => child.stdin?.write(`${line}\n`),
    [Symbol.dispose]: () => child.kill("SIGKILL"),
  };
}
