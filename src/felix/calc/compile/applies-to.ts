import {
  namespaceLabel,
  namespaceLabelPrefix,
  orchestratorLabel,
  serviceAccountLabel,
  serviceAccountLabelPrefix,
} from "../../../api/label-names.ts";
import type { GlobalPolicySpec, PolicySpec } from "../../../api/policy-rule.ts";
import { allAs } from "../../../api/selector/all-as.ts";
import { conjunction } from "../../../api/selector/conjunction.ts";
import { formatSelector } from "../../../api/selector/format-selector.ts";
import { parseSelector } from "../../../api/selector/parse-selector.ts";
import { prefixLabels } from "../../../api/selector/prefix-labels.ts";
import type { Selector } from "../../../api/selector/selector.ts";
import { Memo } from "./memo.ts";

/** What a policy applies to, over endpoint labels, and as canonical text. */
export interface AppliesTo {
  readonly selector: Selector;
  readonly text: string;
}

/** What a NetworkPolicy of `projectcalico.org/v3` in `namespace` applies to. */
export function namespacedAppliesTo(spec: PolicySpec, namespace: string): AppliesTo {
  const { selector, serviceAccountSelector } = spec;
  return known.of(JSON.stringify([selector, serviceAccountSelector, namespace]), () =>
    appliesToAll([
      parsed(selector),
      prefixed(serviceAccountSelector, serviceAccountLabelPrefix),
      { kind: "==", label: namespaceLabel, value: namespace },
    ]),
  );
}

/**
 * What a GlobalNetworkPolicy applies to. As upstream, with a namespace selector `all()` means what is in any namespace,
 * also where it stands in `selector`, and with a service account selector likewise what has any service account.
 */
export function globalAppliesTo(spec: GlobalPolicySpec): AppliesTo {
  const { selector, namespaceSelector, serviceAccountSelector } = spec;
  return known.of(JSON.stringify([selector, serviceAccountSelector, "", namespaceSelector]), () => {
    let operands = [parsed(selector)];
    if (namespaceSelector !== "") {
      operands.push(prefixed(namespaceSelector, namespaceLabelPrefix));
      operands = operands.map((operand) => operand && allAs(namespaceLabel, operand));
    }
    if (serviceAccountSelector !== "") {
      operands.push(prefixed(serviceAccountSelector, serviceAccountLabelPrefix));
      operands = operands.map((operand) => operand && allAs(serviceAccountLabel, operand));
    }
    return appliesToAll(operands);
  });
}

/** Pods; with a namespace, those in it. */
export function podsAppliesTo(selector: Selector | undefined, namespace: string | undefined): AppliesTo {
  return appliesToAll([
    selector,
    namespace === undefined ? undefined : { kind: "==", label: namespaceLabel, value: namespace },
    pods,
  ]);
}

/** What all of them select; an undefined one does not count. */
export function appliesToAll(operands: readonly (Selector | undefined)[]): AppliesTo {
  const selector = conjunction(operands);
  return { selector, text: formatSelector(selector) };
}

/** Whether endpoints that `selector` matches are workloads for sure: it asks for a label that they alone have. */
export function workloadsOnly(selector: Selector): boolean {
  switch (selector.kind) {
    case "&&":
      return selector.operands.some(workloadsOnly);
    case "has":
    case "==":
    case "in":
      return selector.label === namespaceLabel || selector.label === orchestratorLabel;
    default:
      return false;
  }
}

/** Every pod, and nothing else. */
export const pods: Selector = { kind: "==", label: orchestratorLabel, value: "k8s" };

// --- internal ---

const known = new Memo<AppliesTo>(10_000);

function parsed(text: string): Selector | undefined {
  return text === "" ? undefined : parseSelector(text);
}

function prefixed(text: string, prefix: string): Selector | undefined {
  const selector = parsed(text);
  return selector && prefixLabels(selector, prefix);
}
