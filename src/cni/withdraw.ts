import type { AttachmentKey } from "../api/objects.ts";
import { CniError, cniCode } from "./cni-error.ts";
import type { NodeState } from "./node-state.ts";
import { within } from "./within.ts";

/**
 * Takes an attachment back from Felix: its host routes, then its rules. Rejects with a `CniError` (11) when the kernel does
 * not follow in time, so that the caller tries again instead of waiting for ever.
 */
export async function withdraw(key: AttachmentKey, { node, timing }: NodeState): Promise<void> {
  const outcome = await within(node.withdraw(key), timing.withdrawMs, node.clock);
  if (outcome !== "late") return;
  const sentence = `Cannot take away the routes and rules of ${key}: the kernel did not follow within ${timing.withdrawMs / 1000} s`;
  throw new CniError(cniCode.tryAgainLater, sentence);
}
