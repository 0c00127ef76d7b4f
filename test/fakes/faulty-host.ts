import { CommandError, type Host, type KeptProgram, type RunOptions, type RunResult } from "../../src/host/host.ts";

type Argv = readonly [string, ...string[]];

/** What goes wrong with one program, once. */
export type Fault =
  /** It ends with 0 and prints this of what it would have printed. */
  | { readonly kind: "prints"; readonly instead: (stdout: string) => string }
  /** It does nothing, and ends so; without an exit code it is stopped when its time is up. */
  | { readonly kind: "ends"; readonly exitCode: number | undefined; readonly stderr?: string }
  /** A kept one: so many of its transactions are carried out, and then it is killed. */
  | { readonly kind: "killed-after"; readonly transactions: number };

/** A real machine whose programs fail as a test says, the next one of a name each time; all else is as it is. */
export class FaultyHost implements Host {
  readonly #host: Host;
  readonly #faults: { readonly program: RegExp; readonly fault: Fault }[] = [];

  constructor(host: Host) {
    this.#host = host;
  }

  /** The next use of a program of such a name has this fault. */
  plan(program: RegExp, fault: Fault): void {
    this.#faults.push({ program, fault });
  }

  /** How many planned faults have not come up. */
  get ahead(): number {
    return this.#faults.length;
  }

  async run(argv: Argv, options?: RunOptions): Promise<RunResult> {
    const fault = this.#next(argv);
    if (fault === undefined) return await this.#host.run(argv, options);
    if (fault.kind !== "prints") throw endOf(argv, fault);
    const { stdout, stderr } = await this.#host.run(argv, options);
    return { stdout: fault.instead(stdout), stderr };
  }

  keep(argv: Argv): KeptProgram {
    const program = this.#host.keep(argv);
    let failure: CommandError | undefined;
    return {
      get isAlive() {
        return failure === undefined && program.isAlive;
      },
      ask: async (text, answer, timeoutMs) => {
        const fault = failure === undefined ? this.#next(argv) : undefined;
        if (fault !== undefined) {
          failure = endOf(argv, fault);
          const done = fault.kind === "killed-after" ? firstTransactions(text, fault.transactions) : "";
          if (done !== "") await program.ask(`${done}${answer}\n`, answer, timeoutMs);
          program.close();
        }
        if (failure !== undefined) throw failure;
        await program.ask(text, answer, timeoutMs);
      },
      close: () => program.close(),
    };
  }

  readFile(path: string) {
    return this.#host.readFile(path);
  }

  replaceFile(path: string, text: string, mode?: number) {
    return this.#host.replaceFile(path, text, mode);
  }

  replaceUnsynced(path: string, text: string, mode?: number) {
    return this.#host.replaceUnsynced(path, text, mode);
  }

  removeFile(path: string) {
    return this.#host.removeFile(path);
  }

  listFolder(path: string) {
    return this.#host.listFolder(path);
  }

  removeDrafts(folder: string, before?: number) {
    return this.#host.removeDrafts(folder, before);
  }

  #next([program]: Argv): Fault | undefined {
    const index = this.#faults.findIndex((one) => one.program.test(program));
    return index < 0 ? undefined : this.#faults.splice(index, 1)[0]?.fault;
  }
}

// --- internal ---

function endOf(argv: Argv, fault: Fault): CommandError {
  if (fault.kind === "killed-after")
    return new CommandError({ argv, exitCode: undefined, reason: "was ended by SIGKILL" });
  if (fault.kind === "prints") throw new Error(`Cannot have ${argv[0]} print something else: it is kept`);
  const { exitCode, stderr = "" } = fault;
  return new CommandError({
    argv,
    exitCode,
    stderr,
    ...(exitCode === undefined ? { reason: "was stopped after 30000 ms" } : {}),
  });
}

function firstTransactions(text: string, count: number): string {
  return text
    .split(/(?<=^COMMIT\n)/m)
    .slice(0, count)
    .join("");
}
