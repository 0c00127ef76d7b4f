import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A TCP relay on loopback before a real server, to cut or hold connections as networks do. */
export interface Relay {
  readonly port: number;
  /** Connections accepted so far. */
  connections(): number;
  /** Resets every connection there is. */
  cut(): void;
  /** While true, new connections are reset at once. */
  refuse(on: boolean): void;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Relays to `port` of 127.0.0.1; the port is asked for each connection, so the server may move. */
export async function startRelay(port: () => number): Promise<Relay> {
  const sockets = new Set<Socket>();
  let connections = 0;
  let refusing = false;
  const keep = (socket: Socket) => {
    sockets.add(socket);
    // A reset of one side is passed to the other by `close`.
    socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
  };
  const server = createServer((near) => {
    connections++;
    keep(near);
    if (refusing) {
      near.resetAndDestroy();
      return;
    }
    const far = connect(port(), "127.0.0.1");
    keep(far);
    near.pipe(far).on("close", () => near.destroy());
    far.pipe(near).on("close", () => far.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const cut = () => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => connections,
    cut,
    refuse: (on) => {
      refusing = on;
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      cut();
      await closed;
    },
  };
}
