import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { open } from "node:fs/promises";
import type { FabricHost } from "../bgp-fabric.ts";
import { killChild } from "../kill-child.ts";

/** Programs that run in one namespace, and end with this process at the latest. */
export class Daemons {
  readonly #host: FabricHost;
  readonly #logPath: string;
  #running: ChildProcess[] = [];

  constructor(host: FabricHost, logPath: string) {
    this.#host = host;
    this.#logPath = logPath;
  }

  async start(...argv: readonly string[]): Promise<void> {
    const log = await open(this.#logPath, "a");
    const guarded = ["netns", "exec", this.#host.netns, "setpriv", "--pdeathsig", "KILL", ...argv];
    const child = spawn("ip", guarded, { stdio: ["ignore", log.fd, log.fd] });
    await once(child, "spawn");
    await log.close();
    this.#running.push(child);
  }

  /** Kills all of them. */
  async kill(): Promise<void> {
    for (const child of this.#running.splice(0).reverse()) await killChild(child);
  }
}
