/** What became of the routes to pods on every machine of a lab: by it a lost packet is explained. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Lab } from "../../lab/cluster.ts";

/** Follows the kernels' routes until it is disposed of. */
export class RouteLog implements Disposable {
  readonly #children: ChildProcess[] = [];
  #lines: string[] = [];

  constructor({ layout }: Pick<Lab, "layout">) {
    const places = [{ name: "router", netns: layout.router }, ...layout.nodes];
    for (const { name, netns } of places) this.#follow(name, netns);
  }

  /** What has changed since the last call, a line each with its machine and time, the oldest first; of much, the last. */
  take(): readonly string[] {
    const lines = this.#lines;
    this.#lines = [];
    return lines;
  }

  [Symbol.dispose](): void {
    for (const child of this.#children) child.kill("SIGKILL");
  }

  #follow(name: string, netns: string): void {
    const argv = [`--net=/run/netns/${netns}`, "--", "ip", "-4", "-tshort", "monitor", "route"];
    const child = spawn("nsenter", argv, { stdio: ["ignore", "pipe", "ignore"], env: { ...process.env, TZ: "UTC" } });
    this.#children.push(child);
    createInterface({ input: child.stdout }).on("line", (line) => {
      if (!/\b192\.168\.\d+\.\d+\/\d+/.test(line)) return;
      this.#lines.push(`${name} ${line.trim()}`);
      if (this.#lines.length > most) this.#lines.splice(0, most / 2);
    });
  }
}

// --- internal ---

const most = 400;
