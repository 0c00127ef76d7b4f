/**
 * posix_spawn(3) and waitpid(2). Node's own `spawn` takes more processor time than a small program's whole life (1.3 ms of
 * 2 measured, with pipes or without), and would be what a benchmark of executions measures.
 */
import { constants } from "node:fs";
import koffi from "koffi";

/** What to execute. Its standard error is this process's. */
export interface SpawnRequest {
  /** An absolute path. */
  readonly program: string;
  readonly arguments?: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly stdinFile: string;
  /** Made anew, for the owner only. */
  readonly stdoutFile: string;
}

/** Executes programs, and waits for them: nothing else in the process may have children. */
export class Spawner {
  readonly #libc = bindLibc();
  readonly #waiting = new Map<number, (status: number) => void>();
  #isReaping = false;

  /** Resolves with the exit code, or with 128 + N for signal N. Throws when the program cannot be executed. */
  run(request: SpawnRequest): Promise<number> {
    const { program, environment, stdinFile, stdoutFile } = request;
    const libc = this.#libc;
    const actions = Buffer.alloc(actionsSize);
    const pid: [number] = [0];
    const pairs = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
    check("prepare", libc.init(actions));
    try {
      check("prepare", libc.addOpen(actions, 0, stdinFile, constants.O_RDONLY, 0));
      const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC;
      check("prepare", libc.addOpen(actions, 1, stdoutFile, flags, 0o600));
      check(
        program,
        libc.spawn(pid, program, actions, null, [program, ...(request.arguments ?? []), null], [...pairs, null]),
      );
    } finally {
      libc.destroy(actions);
    }
    const { promise, resolve } = Promise.withResolvers<number>();
    this.#waiting.set(pid[0], resolve);
    this.#reap();
    return promise.then((status) => ((status & 0x7f) === 0 ? status >> 8 : 128 + (status & 0x7f)));
  }

  #reap(): void {
    if (this.#isReaping || this.#waiting.size === 0) return;
    this.#isReaping = true;
    const status: [number] = [0];
    this.#libc.wait.async(-1, status, 0, (error: unknown, pid: number) => {
      if (error !== null) throw error;
      this.#isReaping = false;
      this.#waiting.get(pid)?.(status[0]);
      this.#waiting.delete(pid);
      this.#reap();
    });
  }
}

// --- internal ---

/** At least the size of `posix_spawn_file_actions_t`: 80 bytes with glibc on 64 bits. */
const actionsSize = 256;

function bindLibc() {
  const library = koffi.load(null);
  return {
    init: library.func("int posix_spawn_file_actions_init(void *)"),
    addOpen: library.func("int posix_spawn_file_actions_addopen(void *, int, const char *, int, unsigned int)"),
    destroy: library.func("int posix_spawn_file_actions_destroy(void *)"),
    spawn: library.func(
      "int posix_spawn(_Out_ int *pid, const char *path, void *actions, void *attributes, const char **argv, const char **envp)",
    ),
    wait: library.func("int waitpid(int pid, _Out_ int *status, int options)"),
  };
}

/** These functions answer the error number itself. */
function check(what: string, errno: number): void {
  if (errno !== 0) throw new Error(`Cannot execute ${what}: error ${errno} of posix_spawn`);
}
