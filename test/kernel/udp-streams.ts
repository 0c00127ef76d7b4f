import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** A steady flow from one place to another. */
export interface Flow {
  /** Network namespaces, by name or by path. */
  readonly fromNetns: string;
  readonly toNetns: string;
  readonly from: string;
  readonly to: string;
}

interface Running extends Flow {
  readonly receiver: ChildProcess;
  readonly sender: ChildProcess;
}

/** 1,000 numbered UDP packets a second for each flow, until they are counted. Throws when gcc cannot compile the program. */
export class UdpStreams implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), "margay-udp-"));
  readonly #program = join(this.#folder, "udp-stream");
  readonly #running: Running[] = [];

  constructor() {
    const source = join(import.meta.dirname, "udp-stream.c");
    execFileSync("gcc", ["-O1", "-Wall", "-Wextra", "-Werror", "-o", this.#program, source], { stdio: "pipe" });
  }

  /** Each receiver listens before its sender begins. */
  async start(flows: readonly Flow[]): Promise<void> {
    for (const [index, flow] of flows.entries()) {
      const port = `${20_000 + index}`;
      const receiver = await this.#spawn(flow.toNetns, "receive", port);
      if (receiver.stdout) await once(receiver.stdout, "data");
      const sender = await this.#spawn(flow.fromNetns, "send", flow.from, flow.to, port, "1000");
      this.#running.push({ ...flow, receiver, sender });
    }
  }

  /** Ends the flows. How many packets were sent in all, and each flow that lost some: `FROM > TO lost N of M, first NUMBERS`. */
  async count(): Promise<{ readonly sent: number; readonly losses: readonly string[] }> {
    const running = this.#running.splice(0);
    const sent = await Promise.all(running.map(({ sender }) => answerOf(sender)));
    await sleep(300);
    const received = await Promise.all(running.map(({ receiver }) => answerOf(receiver)));
    const losses = running.flatMap(({ from, to }, index) => {
      const [all = 0] = sent[index] ?? [];
      const [came = 0, ...first] = received[index] ?? [];
      return came === all ? [] : [`${from} > ${to} lost ${all - came} of ${all}, first ${first.join(" ")}`];
    });
    return { sent: sent.reduce((sum, [all = 0]) => sum + all, 0), losses };
  }

  [Symbol.dispose](): void {
    for (const { sender, receiver } of this.#running) {
      sender.kill("SIGKILL");
      receiver.kill("SIGKILL");
    }
    rmSync(this.#folder, { recursive: true });
  }

  async #spawn(netns: string, ...argv: readonly string[]): Promise<ChildProcess> {
    const path = netns.startsWith("/") ? netns : `/run/netns/${netns}`;
    const child = spawn("nsenter", [`--net=${path}`, "--", this.#program, ...argv], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    await once(child, "spawn");
    return child;
  }
}

// --- internal ---

/** The numbers that it prints once its input has ended, and after them nothing. */
async function answerOf(child: ChildProcess): Promise<readonly number[]> {
  let text = "";
  child.stdout?.on("data", (chunk) => {
    text += chunk;
  });
  child.stdin?.end();
  await once(child, "close");
  return text.trim().split(" ").slice(1).map(Number);
}
