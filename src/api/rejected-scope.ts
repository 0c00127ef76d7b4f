/** What can still be read of a policy object that as a whole cannot. Nothing here throws, whatever the JSON. */
import { clusterPolicyTiers } from "./built-in-tiers.ts";
import { podPeerFields, podPeerOf } from "./kubernetes/cluster-pod-peer.ts";
import { labelSelectorSchema } from "./kubernetes/label-selector.ts";
import { oneOf } from "./kubernetes/one-of.ts";
import { namespaceLabel, namespaceLabelPrefix, serviceAccountLabel, serviceAccountLabelPrefix } from "./label-names.ts";
import { allAs } from "./selector/all-as.ts";
import { conjunction } from "./selector/conjunction.ts";
import { parseSelector } from "./selector/parse-selector.ts";
import { prefixLabels } from "./selector/prefix-labels.ts";
import type { Selector } from "./selector/selector.ts";
import { selectorOfLabelSelector } from "./selector/selector-of-label-selector.ts";
import type { PolicyKind, Rejected, RejectedScope } from "./snapshot.ts";

/** What stands in place of the policy object `json`, which cannot be read for `reason`. */
export function rejectedPolicy(kind: PolicyKind, json: unknown, reason: string): Rejected {
  const metadata = fieldsOf(fieldsOf(json)["metadata"]);
  const { uid, generation } = metadata;
  return {
    rejected: reason,
    namespace: textOf(metadata["namespace"]),
    name: textOf(metadata["name"]),
    revision: { uid: textOf(uid), generation: Number.isSafeInteger(generation) ? (generation as number) : 0 },
    scope: rejectedScope(kind, json),
  };
}

/** Where the policy object `json` stands and whom it may select at most, as far as that is well-formed. */
export function rejectedScope(kind: PolicyKind, json: unknown): RejectedScope {
  return scopes[kind](fieldsOf(fieldsOf(json)["spec"]));
}

// --- internal ---

type Fields = Readonly<Record<string, unknown>>;

const scopes: Readonly<Record<PolicyKind, (spec: Fields) => RejectedScope>> = {
  networkPolicy: kubeScope,
  stagedKubernetesNetworkPolicy: kubeScope,
  clusterNetworkPolicy: clusterScope,
  calicoNetworkPolicy: calicoScope,
  stagedNetworkPolicy: calicoScope,
  globalNetworkPolicy: globalScope,
  stagedGlobalNetworkPolicy: globalScope,
};

function kubeScope({ podSelector }: Fields): RejectedScope {
  return scopeOf(undefined, undefined, podSelector == null ? undefined : labelSelection(podSelector));
}

const clusterTiers = new Map<unknown, string>(Object.entries(clusterPolicyTiers));

function clusterScope({ tier, priority, subject }: Fields): RejectedScope {
  const order = Number.isInteger(priority) && (priority as number) >= 0 && (priority as number) <= 1000;
  return scopeOf(clusterTiers.get(tier), order ? (priority as number) : undefined, subjectSelection(subject));
}

const subjectSchema = oneOf(podPeerFields);

function subjectSelection(subject: unknown): Selector | undefined {
  // Whatever stands beside what is known may select more.
  const { data } = subjectSchema.safeParse(subject);
  if (data === undefined) return undefined;
  const { namespaceSelector, podSelector } = podPeerOf(data);
  const byNamespace = selectorOfLabelSelector(namespaceSelector, namespaceLabelPrefix);
  return podSelector === undefined ? byNamespace : conjunction([byNamespace, selectorOfLabelSelector(podSelector)]);
}

function calicoScope({ tier, order, selector, serviceAccountSelector, namespaceSelector }: Fields): RejectedScope {
  // It is no field of a policy in a namespace; one who writes it means to limit what nobody can tell.
  const selections =
    namespaceSelector === undefined
      ? [selection(selector), selection(serviceAccountSelector, serviceAccountLabelPrefix)]
      : [];
  return scopeOf(tierOf(tier), orderOf(order), allGiven(selections));
}

/** With a selector of namespaces or of service accounts, all() means all that have one: see the compiling of such a policy. */
function globalScope({ tier, order, selector, namespaceSelector, serviceAccountSelector }: Fields): RejectedScope {
  const byNamespace = selection(namespaceSelector, namespaceLabelPrefix);
  const byAccount = selection(serviceAccountSelector, serviceAccountLabelPrefix);
  let selections = [selection(selector), byNamespace];
  if (byNamespace !== "none") selections = selections.map((one) => allOfSelectionAs(namespaceLabel, one));
  selections = [...selections, byAccount];
  if (byAccount !== "none") selections = selections.map((one) => allOfSelectionAs(serviceAccountLabel, one));
  return scopeOf(tierOf(tier), orderOf(order), allGiven(selections));
}

function scopeOf(tier: string | undefined, order: number | undefined, selector: Selector | undefined): RejectedScope {
  return {
    ...(tier === undefined ? {} : { tier }),
    ...(order === undefined ? {} : { order }),
    ...(selector === undefined ? {} : { selector }),
  };
}

/** A selector, or that there is none, or that there is one which cannot be read. */
type Selection = Selector | "none" | "unreadable";

function selection(text: unknown, prefix = ""): Selection {
  if (text === undefined || text === "") return "none";
  if (typeof text !== "string" || text.includes("global(")) return "unreadable";
  try {
    return prefixLabels(parseSelector(text), prefix);
  } catch {
    return "unreadable";
  }
}

function allOfSelectionAs(label: string, one: Selection): Selection {
  return typeof one === "string" ? one : allAs(label, one);
}

/** Undefined when there is none, or one of them cannot be read. */
function allGiven(selections: readonly Selection[]): Selector | undefined {
  const given = selections.filter((one) => one !== "none");
  const readable = given.filter((one) => one !== "unreadable");
  return readable.length === given.length && given.length > 0 ? conjunction(readable) : undefined;
}

function labelSelection(json: unknown): Selector | undefined {
  const { data } = labelSelectorSchema.safeParse(json);
  return data && selectorOfLabelSelector(data);
}

function tierOf(tier: unknown): string | undefined {
  const isName = typeof tier === "string" && tier.length <= 63 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(tier);
  return isName ? tier : undefined;
}

function orderOf(order: unknown): number | undefined {
  return typeof order === "number" && Number.isFinite(order) ? order : undefined;
}

function fieldsOf(json: unknown): Fields {
  return typeof json === "object" && json !== null ? (json as Fields) : {};
}

function textOf(json: unknown): string {
  return typeof json === "string" ? json : "";
}
