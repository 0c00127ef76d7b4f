import type { NodeName } from "../api/names.ts";
import type { Clock } from "../net/clock.ts";
import { afterConflict, maxConflicts } from "./backoff.ts";
import { hasToUndo, wasTakenBy } from "./outcomes.ts";
import { cancelledError, contendedError, notUndoneError } from "./pool-errors.ts";
import { releaseTask, type Task } from "./task.ts";
import type { TaskQueue } from "./task-queue.ts";

/** What tasks end with. */
export interface TaskEndsParts {
  readonly node: NodeName;
  readonly clock: Clock;
  readonly queue: Pick<TaskQueue, "again" | "done">;
}

const maxFailures = 3;

/** What becomes of tasks that did not succeed at once: another try, or an answer once all that they have written is undone. */
export class TaskEnds {
  readonly #node: NodeName;
  readonly #clock: Clock;
  readonly #queue: TaskEndsParts["queue"];

  constructor({ node, clock, queue }: TaskEndsParts) {
    this.#node = node;
    this.#clock = clock;
    this.#queue = queue;
  }

  /** Another try, when it has not had too many. `error` undefined: another writer was first. */
  retry(task: Task, error: unknown): void {
    if (this.cancel(task)) return;
    if (error === undefined) task.conflicts++;
    else task.failures++;
    if (error !== undefined && task.failures > maxFailures) this.fail(task, error);
    else if (task.conflicts > maxConflicts) this.fail(task, contendedError(task.handle, this.#node, maxConflicts));
    else void this.#later(task);
  }

  async #later(task: Task): Promise<void> {
    const signal = task.kind === "assign" ? task.signal : undefined;
    try {
      if (task.failures === 0) await afterConflict(this.#clock, task.conflicts, signal);
      // A server that is away is not back in milliseconds.
      else await this.#clock.sleep(50 * 2 ** task.failures * (0.5 + this.#clock.random()), signal);
    } catch (error) {
      if (!this.cancel(task)) this.fail(task, error);
      return;
    }
    this.#queue.again(task);
  }

  /** Ends a task that nobody waits for any more; false when somebody does. */
  cancel(task: Task): boolean {
    if (task.kind !== "assign" || !task.signal?.aborted) return false;
    this.fail(task, cancelledError(task.request, this.#node, task.signal));
    return true;
  }

  /** Answers the error once what the task has written is taken back. */
  fail(task: Task, error: unknown): void {
    if (task.kind !== "assign" || !hasToUndo(task)) {
      this.#queue.done(task);
      task.reject(error);
      return;
    }
    const resolve = () => task.reject(error);
    const reject = (undoing: unknown) => task.reject(notUndoneError(task.handle, error, undoing));
    const undo = {
      handle: task.handle,
      why: "undo of a request that failed",
      only: wasTakenBy(task),
      fence: task.doubtful,
    };
    this.#queue.again(releaseTask(undo, task.failures, { resolve, reject }));
  }
}
