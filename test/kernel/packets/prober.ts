import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** A packet to send, and how. */
export interface Shot {
  /** What it is known by when it arrives; it stands in the packet. */
  readonly number: number;
  readonly place: string;
  /** Of the sender's socket, which its own routes see. */
  readonly tos: number;
  /** The interface that it leaves by; what the routes say when absent. */
  readonly device?: string;
  readonly bytes: Uint8Array;
}

/** One packet at one place; `device` is absent where a socket behind the node's INPUT got it. */
export interface Arrival {
  readonly number: number;
  readonly place: string;
  readonly device?: string;
  /** IPv4's type of service, IPv6's traffic class, as the packet arrived; 0 without `device`. */
  readonly tos: number;
}

/** What became of what was sent together. `refused`: the sender's own kernel said so, e.g. EPERM for what its OUTPUT drops. */
export interface Outcome {
  readonly arrivals: readonly Arrival[];
  readonly refused: ReadonlyMap<number, string>;
}

/** Sends packets as they are from network namespaces, and tells which arrive. Throws when it cannot be compiled. */
export class Prober implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), "margay-prober-"));
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  #said = "";

  /** `places`: the path of each one's namespace. The one named `node` counts what its sockets get. */
  constructor(places: Readonly<Record<string, string>>) {
    const program = join(this.#folder, "prober");
    const source = join(import.meta.dirname, "prober.c");
    execFileSync("gcc", ["-O1", "-Wall", "-Wextra", "-Werror", "-o", program, source], { stdio: "pipe" });
    const child = spawn(
      program,
      Object.entries(places).map(([name, path]) => `${name}=${path}`),
    );
    child.stderr.on("data", (text) => {
      this.#said += text;
    });
    // Its end is told by the end of what it prints.
    child.stdin.on("error", () => undefined);
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    this.#child = child;
  }

  /** Sends all at once, and listens until none of ours has come for `quietMs`. Rejects when the program ends. */
  async send(shots: readonly Shot[], quietMs: number): Promise<Outcome> {
    const lines = shots.map(
      ({ place, tos, device = "-", bytes }) => `${place} ${tos} ${device} ${Buffer.from(bytes).toString("hex")}\n`,
    );
    this.#child.stdin?.write(`${lines.join("")}GO ${quietMs}\n`);
    const arrivals: Arrival[] = [];
    const refused = new Map<number, string>();
    for (;;) {
      const { value: line, done } = await this.#lines.next();
      if (done) throw new Error(`Cannot send packets: the prober has ended: ${this.#said}`);
      if (line === "done") return { arrivals, refused };
      const [what, number = "", place = "", rest = "", tos = ""] = line.split(" ");
      if (what === "refused") refused.set(Number(number), rest);
      else arrivals.push({ number: Number(number), place, tos: Number(tos), ...(rest !== "-" && { device: rest }) });
    }
  }

  [Symbol.dispose](): void {
    this.#child.kill("SIGKILL");
    rmSync(this.#folder, { recursive: true });
  }
}
