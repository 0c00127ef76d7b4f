/**
 * The pure function `compute`, which answers the same object again for the same pair of arguments (by identity).
 * What is remembered goes with its arguments.
 */
export function rememberPair<A extends object, B extends object, R>(compute: (a: A, b: B) => R): (a: A, b: B) => R {
  const known = new WeakMap<A, WeakMap<B, R>>();
  return (a, b) => {
    let byB = known.get(a);
    if (byB === undefined) {
      byB = new WeakMap();
      known.set(a, byB);
    }
    if (byB.has(b)) return byB.get(b) as R;
    const result = compute(a, b);
    byB.set(b, result);
    return result;
  };
}

/** As `rememberPair`, for one argument. */
export function remember<A extends object, R>(compute: (a: A) => R): (a: A) => R {
  const known = new WeakMap<A, R>();
  return (a) => {
    if (known.has(a)) return known.get(a) as R;
    const result = compute(a);
    known.set(a, result);
    return result;
  };
}

/** As `remember`, for a text: of so many at most, beyond which it begins anew. */
export function rememberTexts<R>(compute: (text: string) => R, most: number): (text: string) => R {
  const known = new Map<string, R>();
  return (text) => {
    if (known.has(text)) return known.get(text) as R;
    const result = compute(text);
    if (known.size >= most) known.clear();
    known.set(text, result);
    return result;
  };
}
