import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { FakeIpamStore } from "../fakes/ipam-store.ts";
import type { Doom, FromDoomed, ToDoomed } from "./cni-doomed-server.ts";
import type { CniNode } from "./cni-node.ts";

/** A CNI server that will be killed. */
export interface DoomedServer {
  /** Resolves when the process is gone, to the step at which it killed itself; undefined when another ended it. */
  readonly killedAt: Promise<string | undefined>;
  /** Ends it now. */
  kill(): Promise<void>;
}

/** Starts CNI servers of a node, one at a time, each to be killed at a step. Disposing of it ends all of its processes. */
export class DoomedServers implements AsyncDisposable {
  readonly #node: CniNode;
  readonly #stepFile: string;
  /** Loaded already: that takes longer than all the rest. */
  #next: ChildProcess;
  readonly #children = new Set<ChildProcess>();

  constructor(node: CniNode) {
    this.#node = node;
    this.#stepFile = join(node.folder, "step");
    this.#next = this.#load();
  }

  /** Resolves once it listens, or was killed before. */
  async start(doom: Doom): Promise<DoomedServer> {
    const child = this.#next;
    this.#next = this.#load();
    await rm(this.#stepFile, { force: true });
    const gone = once(child, "exit");
    const listening = Promise.withResolvers<void>();
    const store = new FakeIpamStore(this.#node.cluster, (call) => this.#node.storeFault(call));
    child.on("message", (message: FromDoomed) => {
      if (message.kind === "listening") listening.resolve();
      if (message.kind === "ask") void answer(child, store, message);
    });
    const { netns, folder, namespacePaths, pods, namespaces, nodes, shim, cluster } = this.#node;
    const { spool, socketPath } = shim;
    const own = { pools: cluster.pools, spool, socketPath, stepFile: this.#stepFile };
    send(child, { kind: "begin", doom, node: { netns, folder, namespacePaths, pods, namespaces, nodes, ...own } });
    await Promise.race([listening.promise, gone]);
    const kill = async () => {
      child.kill("SIGKILL");
      await gone;
    };
    return { killedAt: gone.then(() => this.#lastStep()), kill };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) {
      const gone = once(child, "exit");
      child.kill("SIGKILL");
      await gone;
    }
  }

  async #lastStep(): Promise<string | undefined> {
    return readFile(this.#stepFile, "utf8").catch(() => undefined);
  }

  #load(): ChildProcess {
    const program = join(import.meta.dirname, "cni-doomed-server.ts");
    const child = fork(program, [], { execArgv: [], serialization: "advanced" });
    this.#children.add(child);
    child.on("exit", () => this.#children.delete(child));
    return child;
  }
}

// --- internal ---

async function answer(
  child: ChildProcess,
  store: FakeIpamStore,
  { id, call, words }: Extract<FromDoomed, { kind: "ask" }>,
): Promise<void> {
  try {
    const owner = call.slice(0, -1).reduce<object>((one, name) => Reflect.get(one, name), store);
    const value: unknown = await Reflect.apply(Reflect.get(owner, call.at(-1) ?? ""), owner, words);
    send(child, { kind: "answer", id, value });
  } catch (error) {
    send(child, { kind: "answer", id, error: String(error) });
  }
}

/** To one that is gone already, nothing. */
function send(child: ChildProcess, message: ToDoomed): void {
  if (child.connected) child.send(message, () => undefined);
}
