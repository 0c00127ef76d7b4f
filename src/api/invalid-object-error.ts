/** One thing wrong with an object: where, what stands there, and what should. */
export interface Problem {
  /** Dotted path from the object's root, e.g. `spec.ingress[0].ports[1].port`. Empty for the object itself. */
  readonly path: string;
  /** What was found there, as short JSON; `missing` when the field is absent. */
  readonly given: string;
  /** A sentence that says what must hold, without a full stop. */
  readonly reason: string;
}

/** An API object that cannot be used. The message names the object, each path, what was given and what must hold. */
export class InvalidObjectError extends Error {
  readonly kind: string;
  /** `name`, or `namespace/name`; empty when the object has no readable name. */
  readonly object: string;
  readonly problems: readonly Problem[];
  constructor(kind: string, object: string, problems: readonly Problem[]) {
    super(`Cannot read ${object === "" ? `${kind} without a name` : `${kind} ${object}`}: ${describe(problems)}`);
    this.name = "InvalidObjectError";
    this.kind = kind;
    this.object = object;
    this.problems = problems;
  }
}

function describe(problems: readonly Problem[]): string {
  return problems
    .map(({ path, given, reason }) => `${path === "" ? "the object" : path} is ${given}: ${reason}`)
    .join("; ");
}
