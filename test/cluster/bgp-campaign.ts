/** Changes of sessions, restarts and passwords of a whole lab, each under streams of which no packet may be lost. */
import { setTimeout as sleep } from "node:timers/promises";
import { formatRestarts, type Restart, restartAll } from "./bgp-lab-restarts.ts";
import { settled } from "./bgp-settled.ts";
import { apply, type BgpStage, measure, type Phase, type PodPair } from "./bgp-stage.ts";
import { changeReflectors, meshObject, neighboursBy, type Order, type Reflectors } from "./bgp-topologies.ts";

/** A lab with its streams, and how its sessions are laid out now. */
export class BgpCampaign {
  readonly stage: BgpStage;
  readonly #pairs: readonly PodPair[];
  #reflectors: Reflectors = [];
  #password = false;

  constructor(stage: BgpStage, pairs: readonly PodPair[]) {
    this.stage = stage;
    this.#pairs = pairs;
  }

  get reflectors(): Reflectors {
    return this.#reflectors;
  }

  /** Whether the mesh has a password, or will have one when there is a mesh again. */
  get password(): boolean {
    return this.#password;
  }

  /** Whether the mesh is to have one. Resolves when the API server has it. */
  async askForPassword(isAsked: boolean): Promise<void> {
    this.#password = isAsked;
    if (this.#reflectors.length === 0) await apply(this.stage.lab, [meshObject(isAsked)]);
  }

  /** Has the streams go while this is done, and until all has settled. */
  phase(name: string, work: () => Promise<void>): Promise<Phase> {
    return measure(this.stage, { name, pairs: this.#pairs }, async () => {
      await work();
      await this.settled();
      // What went wrong at the end shows a moment later.
      await sleep(500);
    });
  }

  /** The sessions are exactly those that are wanted. */
  settled(): Promise<void> {
    return settled(this.stage, neighboursBy(this.stage.lab.layout, this.#reflectors));
  }

  /** To these reflectors; in the midst of it, so many milliseconds after the last command, these restarts. */
  change(
    to: Reflectors,
    order: Order,
    midst?: { readonly afterMs: number; readonly restarts: readonly Restart[] },
  ): Promise<Phase> {
    const from = this.#reflectors;
    const words = [from, to].map((names) => (names.length === 0 ? "mesh" : `reflectors ${names.join(" and ")}`));
    const name = `${words.join(" to ")}, ${order}`;
    const meanwhile = midst === undefined ? "" : `; ${midst.afterMs} ms later ${formatRestarts(midst.restarts)}`;
    return this.phase(`${name}${meanwhile}`, async () => {
      await changeReflectors(this.stage, { from, to, order, password: this.#password });
      this.#reflectors = to;
      if (midst === undefined) return;
      await sleep(midst.afterMs);
      await restartAll(this.stage, midst.restarts);
    });
  }

  /** All of these at the same moment. */
  restart(restarts: readonly Restart[]): Promise<Phase> {
    return this.phase(formatRestarts(restarts), () => restartAll(this.stage, restarts));
  }
}
