import { formatSelector } from "../../api/selector/format-selector.ts";
import type { Selector } from "../../api/selector/selector.ts";
import { shortHash } from "../../net/sha256.ts";
import type { SetId } from "./plan.ts";

/** The name of the set of what `selector` selects, the same in every process. 138 bits of hash: it fits a kernel set's name. */
export function setIdOf(selector: Selector): SetId {
  return `s:${shortHash(formatSelector(selector), 23)}` as SetId;
}
