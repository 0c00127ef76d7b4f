/** One node that gets an object and loses it again, as the agent does. */
import { isDeepStrictEqual } from "node:util";
import type { Change } from "../../../src/api/snapshot.ts";
import { NodeCalculator } from "../../../src/felix/calc/node-calculator.ts";
import type { NodePlan } from "../../../src/felix/calc/plan.ts";
import type { DesiredState } from "../../../src/felix/render/desired-state.ts";
import { defaultRenderOptions } from "../../../src/felix/render/options.ts";
import { render } from "../../../src/felix/render/render.ts";
import { type FedKind, type Feed, feeds } from "../../../src/kube/fed-kinds.ts";
import type { KubeObject } from "../../../src/kube/object-revisions.ts";
import { passes, trips } from "./packets.ts";
import { node } from "./small-world.ts";

/** What the feed makes of an object. */
export interface Reading {
  readonly change: Change;
  /** Why it cannot be read; undefined when it can. */
  readonly rejected: string | undefined;
}

/** As a change feed takes an object in. */
export function read(kind: FedKind, object: unknown): Reading {
  const { key, parse, unreadable } = feeds[kind] as unknown as Feed<FedKind>;
  const { namespace = "", name } = (object as KubeObject).metadata;
  const about = { kind, key: key(namespace, name) };
  try {
    return { change: { ...about, value: parse(object) } as Change, rejected: undefined };
  } catch (error) {
    const rejected = (error as Error).message;
    return { change: { ...about, value: unreadable(object as KubeObject, rejected) } as Change, rejected };
  }
}

/** Which trips get through, in the order of `trips`, and the state that says so. */
export interface Passing {
  readonly state: DesiredState;
  readonly passing: readonly boolean[];
}

/** A node in a world; objects come and go one at a time. */
export class NodeUnderTest {
  readonly #calculator = new NodeCalculator(node);
  readonly #alone: NodePlan;

  constructor(world: readonly Change[]) {
    this.#calculator.apply(world);
    this.#alone = this.#calculator.plan();
  }

  /** Without any further object. */
  alone(): Passing {
    return passingOf(this.#alone);
  }

  /** While the object is there. Throws when the plan is not as it was once it has gone. */
  with(change: Change): Passing {
    this.#calculator.apply([change]);
    const result = passingOf(this.#calculator.plan());
    this.#calculator.apply([{ ...change, value: undefined } as Change]);
    if (isDeepStrictEqual(this.#calculator.plan(), this.#alone)) return result;
    throw new Error(`Cannot get rid of ${change.key}: the plan is not what it was before it`);
  }
}

// --- internal ---

function passingOf(plan: NodePlan): Passing {
  const state = render(plan, defaultRenderOptions);
  return { state, passing: trips.map((trip) => passes(state, trip)) };
}
