/** One end of what a policy rule matches. */
import { z } from "zod";
import { cidrVersion } from "../net/cidr.ts";
import { type Rule, withRules } from "./custom-kind.ts";
import { selectorField } from "./fields.ts";
import type { RuleEntity } from "./policy-rule.ts";
import { ruleNetsField } from "./rule-nets.ts";
import { rulePortField } from "./rule-ports.ts";

const ports = () => listOf(rulePortField(), 50).meta({ "x-kubernetes-list-type": "atomic" });

const nameText = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$/;
const name = () => z.string().max(253).regex(nameText, { error: "it must be the name of an object" }).optional();

const serviceAccounts = z
  .strictObject({
    names: listOf(
      z
        .string()
        .max(253)
        .regex(/^[^"]*$/, { error: 'it must not contain a "' }),
      1024,
    )
      .meta({ "x-kubernetes-list-type": "set" })
      .describe("Names of service accounts, one of which must be the pod's."),
    selector: selectorOrNone().describe("Which service accounts, by their labels."),
  })
  .optional()
  .describe("The pod must run as one of these service accounts: of the names, if there are any, and of the selector.");

const services = z
  .strictObject({
    name: name()
      .transform((text) => text ?? "")
      .describe("The name of the Service."),
    namespace: name()
      .transform((text) => text ?? "")
      .describe("The namespace of the Service. Empty: the policy's own, which a policy of no namespace does not have."),
  })
  .optional()
  .describe(
    "A Kubernetes Service: as source of an ingress rule its endpoints, whatever the port; as destination of an egress " +
      "rule its endpoints at the ports that they serve it on. Not together with any other field but a source's ports.",
  );

const fields = z.strictObject({
  nets: ruleNetsField({ butAll: false }).describe(
    "The address must lie in one of these networks, such as 10.0.0.0/8, or 10.0.0.7 for one address. " +
      "All networks of a rule are of one family.",
  ),
  notNets: ruleNetsField({ butAll: true }).describe("The address must lie in none of these networks."),
  selector: selectorOrNone().describe(
    "Which endpoints and network sets, by their labels. Without namespaceSelector, a policy of a namespace selects in its " +
      "own namespace.",
  ),
  notSelector: selectorOrNone().describe(
    "Which endpoints and network sets it must not be. Unlike a selector with !, it lets through addresses that are no endpoint's.",
  ),
  namespaceSelector: selectorOrNone().describe(
    "In which namespaces, by their labels. global() stands for what belongs to no namespace: host endpoints and global network sets.",
  ),
  ports: ports().describe("The port must be one of these: a number, a range such as 80:90, or the name of a port."),
  notPorts: ports().describe("The port must be none of these."),
  serviceAccounts,
  services,
});

type Fields = z.output<typeof fields>;

const onlyInNamespaceSelector = "only the namespaceSelector of a rule can say global()";
const mixedFamilies = "the networks of a rule must be of one family, IPv4 or IPv6";
const empty = (field: string) => `(!has(self.${field}) || size(self.${field}) == 0)`;

const rules: readonly Rule<Fields>[] = [
  withoutGlobal("selector"),
  withoutGlobal("notSelector"),
  {
    cel: "!has(self.serviceAccounts) || !has(self.serviceAccounts.selector) || !self.serviceAccounts.selector.contains('global(')",
    message: onlyInNamespaceSelector,
    field: "serviceAccounts.selector",
    holds: ({ serviceAccounts }) => !serviceAccounts?.selector.includes("global("),
  },
  {
    cel:
      "!has(self.namespaceSelector) || !self.namespaceSelector.contains('global(') || " +
      "self.namespaceSelector.matches('^[ \\t]*global\\\\([ \\t]*\\\\)[ \\t]*$')",
    message: "a namespaceSelector that says global() says nothing else",
    field: "namespaceSelector",
    holds: ({ namespaceSelector }) =>
      !namespaceSelector.includes("global(") || /^[ \t]*global\([ \t]*\)[ \t]*$/.test(namespaceSelector),
  },
  {
    cel: `!has(self.services) || !${empty("services.name")}`,
    message: "services must have the name of a Service",
    field: "services",
    holds: ({ services }) => services === undefined || services.name !== "",
  },
  {
    cel: `!has(self.services) || ${["nets", "notNets", "selector", "notSelector", "namespaceSelector"].map(empty).join(" && ")} && !has(self.serviceAccounts)`,
    message: "services cannot be combined with nets, notNets, selectors or serviceAccounts",
    field: "services",
    holds: (entity) => entity.services === undefined || !limitsOtherwise(entity),
  },
  {
    cel: `${empty("nets")} || size(self.nets.filter(net, net.contains(':'))) in [0, size(self.nets)]`,
    message: mixedFamilies,
    field: "nets",
    holds: (entity) => new Set(entity.nets.map(cidrVersion)).size < 2,
  },
  {
    // Another look at each network is more than the API server allows: the first of these speaks for all.
    cel: `${empty("nets")} || ${empty("notNets")} || self.nets[0].contains(':') == self.notNets[0].contains(':')`,
    message: mixedFamilies,
    field: "notNets",
    holds: ({ nets, notNets }) => new Set([...nets.slice(0, 1), ...notNets].map(cidrVersion)).size < 2,
  },
];

const everything: RuleEntity = {
  nets: [],
  notNets: [],
  selector: "",
  notSelector: "",
  namespaceSelector: "",
  ports: [],
  notPorts: [],
};

/** The source or the destination of a rule; when it is absent, everything. */
export function ruleEntityField() {
  return withRules(fields, rules)
    .optional()
    .transform((entity): RuleEntity => (entity === undefined ? everything : entityOf(entity)));
}

// --- internal ---

function entityOf({ serviceAccounts, ...entity }: Fields): RuleEntity {
  const limited =
    serviceAccounts !== undefined && (serviceAccounts.names.length > 0 || serviceAccounts.selector !== "");
  return limited ? { ...entity, serviceAccounts } : entity;
}

/** A list that counts as empty when it is absent. */
function listOf<S extends z.ZodType>(item: S, most: number) {
  return z
    .array(item)
    .max(most)
    .optional()
    .transform((list) => list ?? []);
}

function selectorOrNone() {
  return selectorField()
    .optional()
    .transform((text) => text ?? "");
}

function withoutGlobal(field: "selector" | "notSelector"): Rule<Fields> {
  return {
    cel: `!has(self.${field}) || !self.${field}.contains('global(')`,
    message: onlyInNamespaceSelector,
    field,
    holds: (entity) => !entity[field].includes("global("),
  };
}

function limitsOtherwise(entity: Fields): boolean {
  const { nets, notNets, selector, notSelector, namespaceSelector, serviceAccounts } = entity;
  return (
    nets.length + notNets.length > 0 || selector + notSelector + namespaceSelector !== "" || Boolean(serviceAccounts)
  );
}
