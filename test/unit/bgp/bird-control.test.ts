import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { BirdControl } from "../../../src/bgp/bird/bird-control.ts";
import { BirdError } from "../../../src/bgp/bird/bird-error.ts";

/** Faults that a healthy BIRD does not have; what a healthy one does is in the kernel tests. */
describe("a control socket that misbehaves", () => {
  let folder: string;
  let path: string;
  let server: Server | undefined;
  const sockets: Socket[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "margay-ctl-"));
    path = join(folder, "bird.ctl");
  });
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await new Promise((done) => (server ? server.close(done) : done(undefined)));
    server = undefined;
    await rm(folder, { recursive: true });
  });

  /** Answers each line received with the next of `answers`, and closes the connection when there is none. */
  async function serve(greeting: string, ...answers: readonly string[]): Promise<void> {
    const left = [...answers];
    server = createServer((socket) => {
      sockets.push(socket);
      socket.write(greeting);
      socket.on("error", () => socket.destroy());
      socket.on("data", () => {
        const answer = left.shift();
        if (answer === undefined) socket.destroy();
        else socket.write(answer);
      });
    });
    await new Promise<void>((ready) => server?.listen(path, ready));
  }

  test("no such socket, and one that nothing listens on, are unreachable", async () => {
    await expect(BirdControl.connect(path)).rejects.toMatchObject({ reason: "unreachable", socketPath: path });
    await expect(BirdControl.connect(path)).rejects.toThrow(`Cannot connect by BIRD's control socket ${path}`);
  });

  test("no greeting in time", async () => {
    await serve("");
    await expect(BirdControl.connect(path, { timeoutMs: 20 })).rejects.toMatchObject({ reason: "timeout" });
  });

  test("no answer in time ends the connection: a late one would be taken for the next", async () => {
    await serve("0001 BIRD ready.\n", "");
    const control = await BirdControl.connect(path, { timeoutMs: 20 });
    await expect(control.command("show status")).rejects.toMatchObject({ reason: "timeout" });
    await expect(control.command("show status")).rejects.toThrow("the connection has ended");
  });

  test("a connection cut in the middle of an answer rejects every command that waits", async () => {
    await serve("0001 BIRD ready.\n", "1002-half an ans");
    using control = await BirdControl.connect(path);
    const both = [control.command("show protocols"), control.command("show status")];
    setTimeout(() => sockets[0]?.destroy(), 20);
    for (const one of await Promise.allSettled(both)) {
      expect(one).toMatchObject({ status: "rejected", reason: { reason: "closed" } });
    }
  });

  test("something else than BIRD", async () => {
    await serve("220 mail.example ESMTP\n");
    const failure = await BirdControl.connect(path).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(BirdError);
    expect(failure).toMatchObject({ reason: "protocol" });
  });

  test("an answer that refuses keeps the connection", async () => {
    await serve("0001 BIRD ready.\n", "9001 syntax error, unexpected CF_SYM_UNDEFINED\n", "0013 Daemon is up\n");
    using control = await BirdControl.connect(path);
    await expect(control.command("nonsense")).rejects.toMatchObject({ reason: "refused", code: 9001 });
    await expect(control.command("show status")).resolves.toMatchObject({ code: 13 });
  });

  test("a command of more than one line is never sent", async () => {
    await serve("0001 BIRD ready.\n", "0013 up\n");
    using control = await BirdControl.connect(path);
    await expect(control.command("show status\ndown")).rejects.toMatchObject({ reason: "protocol" });
    await expect(control.command("show status")).resolves.toMatchObject({ code: 13 });
  });

  test("closing rejects what waits, and the other end sees it", async () => {
    await serve("0001 BIRD ready.\n", "");
    const control = await BirdControl.connect(path);
    const answer = control.command("show status");
    const ended = new Promise((done) => sockets[0]?.on("close", done));
    control.close();
    await expect(answer).rejects.toMatchObject({ reason: "closed" });
    await ended;
  });
});
