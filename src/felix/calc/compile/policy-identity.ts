import type { PolicyKind } from "../../../api/snapshot.ts";
import type { PolicyId } from "../plan.ts";
import { policyKinds } from "../policy-kinds.ts";

/** Which policy it is among those of all kinds, and where it stands among those of its order. */
export interface PolicyIdentity {
  readonly id: PolicyId;
  /** `name/namespace/kind`, as upstream breaks ties. */
  readonly sortName: string;
}

/** An object of no namespace has an empty or no `namespace`. */
export function policyIdentity(
  kind: PolicyKind,
  { namespace = "", name }: { readonly namespace?: string | undefined; readonly name: string },
): PolicyIdentity {
  const { short, full } = names[kind];
  const id = (namespace === "" ? `${short}/${name}` : `${short}/${namespace}/${name}`) as PolicyId;
  return { id, sortName: `${name}/${namespace}/${full}` };
}

// --- internal ---

const names = Object.fromEntries(policyKinds.map((one) => [one.kind, one])) as Readonly<
  Record<PolicyKind, (typeof policyKinds)[number]>
>;
