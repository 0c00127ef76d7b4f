import type { Task } from "./task.ts";

/**
 * Gathers what comes in while a round is under way and hands it to the next round as one batch. At most one task of a
 * handle is under way at a time; the others of that handle wait in the order in which they came.
 */
export class TaskQueue {
  readonly #serve: (tasks: readonly Task[]) => Promise<void>;
  readonly #gather: () => Promise<void>;
  readonly #busy = new Set<string>();
  #waiting: Task[] = [];
  #ready: Task[] = [];
  #running = false;

  /**
   * `serve` works on one batch. A batch ends with each task passed on to `again` or `done`, maybe later. Between two batches of
   * a time when many come, `gather` is waited for, so that more of them share the next. Neither rejects.
   */
  constructor(serve: (tasks: readonly Task[]) => Promise<void>, gather: () => Promise<void>) {
    this.#serve = serve;
    this.#gather = gather;
  }

  add(task: Task): void {
    this.#waiting.push(task);
    void this.#run();
  }

  /** Has a task begun outside a batch, until it is passed on to `again` or `done`; false when another of its handle is there. */
  begin(task: Task): boolean {
    if (this.#busy.has(task.handle) || this.#waiting.some(({ handle }) => handle === task.handle)) return false;
    this.#busy.add(task.handle);
    return true;
  }

  /** A task of a handle that is under way, for another try. */
  again(task: Task): void {
    this.#ready.push(task);
    void this.#run();
  }

  /** Takes a task back that nothing was tried for yet; false when it is under way. */
  drop(task: Task): boolean {
    const index = this.#waiting.indexOf(task);
    if (index >= 0) this.#waiting.splice(index, 1);
    return index >= 0;
  }

  /** The handle's next task may begin. */
  done(task: Task): void {
    this.#busy.delete(task.handle);
    void this.#run();
  }

  async #run(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    // All calls of one turn of the event loop share the first batch.
    await undefined;
    for (let tasks = this.#take(); tasks.length > 0; tasks = this.#take()) {
      await this.#serve(tasks);
      if (tasks.length > 1 && this.#waiting.length > 0) await this.#gather();
    }
    this.#running = false;
  }

  #take(): readonly Task[] {
    const tasks = this.#ready;
    this.#ready = [];
    const later: Task[] = [];
    for (const task of this.#waiting) {
      if (this.#busy.has(task.handle)) later.push(task);
      else {
        this.#busy.add(task.handle);
        tasks.push(task);
      }
    }
    this.#waiting = later;
    return tasks;
  }
}
