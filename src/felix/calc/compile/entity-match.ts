import {
  namespaceLabel,
  namespaceLabelPrefix,
  serviceAccountLabel,
  serviceAccountLabelPrefix,
} from "../../../api/label-names.ts";
import { namespacedName } from "../../../api/names.ts";
import type { RuleEntity } from "../../../api/policy-rule.ts";
import { conjunction } from "../../../api/selector/conjunction.ts";
import { mapTerms } from "../../../api/selector/map-terms.ts";
import { parseSelector } from "../../../api/selector/parse-selector.ts";
import { prefixLabels } from "../../../api/selector/prefix-labels.ts";
import type { Selector } from "../../../api/selector/selector.ts";
import type { SelectedAddresses } from "../compiled-policy.ts";
import type { MatchPlan } from "../plan.ts";
import { Memo } from "./memo.ts";
import { portsMatch } from "./ports-match.ts";
import { selectedAddresses, selectedByBoth, serviceMembers, type UseSet } from "./set-sources.ts";

/** Where an entity stands. */
export interface EntityPlace {
  readonly side: "source" | "destination";
  /** Of its policy; undefined for one of none. */
  readonly namespace: string | undefined;
  /** What this side can only be: the endpoint that the policy applies to. Undefined where it can be anything. */
  readonly own: Selector | undefined;
  /** Of its rule: IANA protocol number. */
  readonly protocol: number | undefined;
  readonly use: UseSet;
}

/** One side of a rule. A list or a selector that is empty holds for everything. */
export function entityMatch(entity: RuleEntity, place: EntityPlace): MatchPlan {
  const { nets, notNets, notSelector } = entity;
  const { use } = place;
  const selected = entitySelection(entity, place.namespace);
  const names = { owners: () => selectedByBoth(selected, place.own), protocol: place.protocol, use };
  const ports = entity.ports.length > 0 ? portsMatch(entity.ports, names) : undefined;
  // What named ports alone are asked for are those of the selected, so that to ask for the selected as well tells nothing new.
  const byPortsAlone = ports !== undefined && ports.ranges.length === 0;
  const sets = selected === undefined || byPortsAlone ? [] : [use(selected)];
  const service = serviceMatch(entity, place);
  const allSets = [...sets, ...(service.sets ?? [])];
  return {
    ...(nets.length > 0 && { nets }),
    ...(notNets.length > 0 && { notNets }),
    ...(allSets.length > 0 && { sets: allSets }),
    ...(notSelector !== "" && { notSets: [use(selectionOf(notSelector))] }),
    ...(service.portSets !== undefined && { portSets: service.portSets }),
    ...(ports !== undefined && { ports }),
    ...(entity.notPorts.length > 0 && { notPorts: portsMatch(entity.notPorts, names) }),
  };
}

// --- internal ---

const selections = new Memo<SelectedAddresses>(10_000);
const notSelections = new Memo<SelectedAddresses>(1_000);

function selectionOf(text: string): SelectedAddresses {
  return notSelections.of(text, () => selectedAddresses(parseSelector(text)));
}

/**
 * What the entity's selectors select together, undefined if it has none. Without a namespace selector a policy with a
 * namespace means what is in it, as soon as it selects at all, be it by `notSelector` alone.
 */
function entitySelection(entity: RuleEntity, namespace: string | undefined): SelectedAddresses | undefined {
  const { selector, notSelector, namespaceSelector, serviceAccounts } = entity;
  const byAccount =
    serviceAccounts !== undefined && (serviceAccounts.names.length > 0 || serviceAccounts.selector !== "");
  const selects = selector !== "" || namespaceSelector !== "" || byAccount;
  if (!selects && (notSelector === "" || namespace === undefined)) return undefined;
  const key = JSON.stringify([selector, namespaceSelector, serviceAccounts, namespaceSelector === "" ? namespace : ""]);
  return selections.of(key, () =>
    selectedAddresses(
      conjunction([
        selector === "" ? undefined : parseSelector(selector),
        byAccount ? serviceAccountSelector(serviceAccounts) : undefined,
        namespaceSelector === "" ? inNamespace(namespace) : inNamespaces(namespaceSelector),
      ]),
    ),
  );
}

function serviceAccountSelector({ names, selector }: NonNullable<RuleEntity["serviceAccounts"]>): Selector {
  return conjunction([
    names.length === 0 ? undefined : { kind: "in", label: serviceAccountLabel, values: names },
    selector === "" ? undefined : prefixLabels(parseSelector(selector), serviceAccountLabelPrefix),
  ]);
}

function inNamespace(namespace: string | undefined): Selector | undefined {
  return namespace === undefined ? undefined : { kind: "==", label: namespaceLabel, value: namespace };
}

/** Here `all()` is what is in any namespace, and `global()` what is in none. */
function inNamespaces(namespaceSelector: string): Selector {
  const hasNamespace: Selector = { kind: "has", label: namespaceLabel };
  return mapTerms(prefixLabels(parseSelector(namespaceSelector), namespaceLabelPrefix), (term) => {
    if (term.kind === "all") return hasNamespace;
    return term.kind === "global" ? { kind: "not", operand: hasNamespace } : term;
  });
}

/** Of a Service that is the source the addresses count, of one that is the destination their ports as well. */
function serviceMatch({ services }: RuleEntity, place: EntityPlace): Pick<MatchPlan, "sets" | "portSets"> {
  if (services === undefined) return {};
  const namespace = services.namespace === "" ? (place.namespace ?? "") : services.namespace;
  const service = namespacedName(namespace, services.name);
  return place.side === "source"
    ? { sets: [place.use(serviceMembers("service-addresses", service))] }
    : { portSets: [place.use(serviceMembers("service-ports", service))] };
}
