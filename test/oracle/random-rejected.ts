import fc from "fast-check";
import { parseSelector } from "../../src/api/selector/parse-selector.ts";
import type { Rejected, RejectedScope } from "../../src/api/snapshot.ts";

/** What stands in place of a policy that could not be read; `tiers` and `orders` are what may still have been readable. */
export function rejected(
  { namespace, name }: { readonly namespace: string; readonly name: string },
  { tiers, orders }: { readonly tiers: readonly string[]; readonly orders: readonly number[] },
): fc.Arbitrary<Rejected> {
  return fc
    .record({
      tier: fc.constantFrom(undefined, ...tiers),
      order: fc.constantFrom(undefined, ...orders),
      selector: fc.constantFrom(undefined, "app == 'a'", "app == 'b'", "!has(app)"),
    })
    .map(({ tier, order, selector }) => {
      const scope: RejectedScope = {
        ...(tier !== undefined && { tier }),
        ...(order !== undefined && { order }),
        ...(selector !== undefined && { selector: parseSelector(selector) }),
      };
      return { rejected: "it cannot be read", namespace, name, revision: { uid: "uid", generation: 1 }, scope };
    });
}
