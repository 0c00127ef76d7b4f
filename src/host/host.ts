/** The machine, and the only door to its processes and files. `LinuxHost` is the real one. */
export interface Host {
  /**
   * Runs a program to its end. No shell: `argv` is passed as it is.
   * Rejects with a `CommandError` when it cannot be started, ends non-zero, or is killed at `timeoutMs` (default 30 s).
   */
  run(argv: readonly [string, ...string[]], options?: RunOptions): Promise<RunResult>;
  /** Starts a program that is to be fed bit by bit, and kept for that. The caller closes it. */
  keep(argv: readonly [string, ...string[]]): KeptProgram;
  /** The text of a file, or undefined when there is none. */
  readFile(path: string): Promise<string | undefined>;
  /** Replaces a file in one step and syncs it: a reader sees the old text or the new, also after a crash. Makes the folder. */
  replaceFile(path: string, text: string, mode?: number): Promise<void>;
  /**
   * The same without the sync, which costs a disk's time: enough for what must outlive this process, but not a crash of the
   * machine, which may leave a part of the text, or nothing.
   */
  replaceUnsynced(path: string, text: string, mode?: number): Promise<void>;
  /** Removes a file; one that is not there is no error. */
  removeFile(path: string): Promise<void>;
  /** The names in a folder, sorted; none when it is not there. */
  listFolder(path: string): Promise<readonly string[]>;
  /**
   * Removes what `replaceFile` left half-written in a folder when its process was killed; with `before` (ms since 1970) only
   * what was last written before that, which is for a folder that others write to as well: the `replaceFile` whose draft
   * goes fails. A folder that is not there is no error.
   */
  removeDrafts(folder: string, before?: number): Promise<void>;
}

/** A program that is kept running, and does what it reads on its standard input as it comes. */
export interface KeptProgram {
  /** Whether it can be asked anything. One that cannot stays so. */
  readonly isAlive: boolean;
  /**
   * Feeds it `text`, and resolves once it prints `answer` as a line of its own. One question at a time. Rejects with a
   * `CommandError` that quotes what it said when it ends first, or prints no such line within `timeoutMs`; then it is over.
   */
  ask(text: string, answer: string, timeoutMs: number): Promise<void>;
  /** Ends it: it has read all it will. */
  close(): void;
}

/** How a program is run besides its words. */
export interface RunOptions {
  readonly stdin?: string;
  /** Added to this process's own environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  /** Kills the program when it aborts. */
  readonly signal?: AbortSignal;
}

/** What a program said that ended with 0. */
export interface RunResult {
  readonly stdout: string;
  readonly stderr: string;
}

/** A program did not do what it was asked. The message names it and quotes the end of what it said. */
export class CommandError extends Error {
  readonly argv: readonly string[];
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;

  constructor(facts: {
    argv: readonly string[];
    exitCode: number | undefined;
    stdout?: string;
    stderr?: string;
    /** How it ended when that is no exit code, e.g. "was stopped after 100 ms". */
    reason?: string;
    cause?: unknown;
  }) {
    const said = (facts.stderr || facts.stdout || "").trim().slice(-500);
    const how = facts.reason ?? (facts.exitCode === undefined ? "did not finish" : `ended with ${facts.exitCode}`);
    super(`Cannot run ${facts.argv.join(" ")}: it ${how}${said === "" ? "" : `: ${said}`}`, { cause: facts.cause });
    this.name = "CommandError";
    this.argv = facts.argv;
    this.exitCode = facts.exitCode;
    this.stdout = facts.stdout ?? "";
    this.stderr = facts.stderr ?? "";
  }
}
