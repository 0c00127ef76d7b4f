/** What was made last under each key, and what it was made of. */
export class Latest<R> {
  readonly #known = new Map<string, { readonly of: string; readonly made: R }>();

  /** The same object again while it is made of the same, as told by a text; else a new one, perhaps with parts of the earlier. */
  get(key: string, of: string, make: (earlier: R | undefined) => R): R {
    const known = this.#known.get(key);
    if (known?.of === of) return known.made;
    const made = make(known?.made);
    this.#known.set(key, { of, made });
    return made;
  }
}
