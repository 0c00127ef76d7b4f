import type { KubeControllersConfigurationSpec } from "../../api/kube-controllers-configuration.ts";
import type { Labels, Node } from "../../api/objects.ts";
import { parseSelector } from "../../api/selector/parse-selector.ts";
import { selectorMatches } from "../../api/selector/selector-matches.ts";
import { cidrContainsIp } from "../../net/cidr.ts";
import type { Ip } from "../../net/ip.ts";

/** Tells the host endpoints that are made by the controllers; upstream's, so that either product knows the other's. */
export const createdByLabel = { name: "projectcalico.org/created-by", value: "calico-kube-controllers" } as const;

/** A HostEndpoint as it is to be. */
export interface WantedHostEndpoint {
  readonly name: string;
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly spec: {
    readonly node: string;
    readonly interfaceName?: string;
    readonly expectedIPs: readonly Ip[];
    readonly profiles: readonly string[];
  };
}

/** KubeControllersConfiguration `controllers.node.hostEndpoint`. */
export type HostEndpointSettings = NonNullable<
  NonNullable<KubeControllersConfigurationSpec["controllers"]["node"]>["hostEndpoint"]
>;

/**
 * The host endpoints of every node, by name: the default one for all its interfaces, `NODE-auto-hep`, and `NODE-GENERATENAME-auto-hep`
 * for each template that selects it, which expects the node's addresses in the template's networks. A template with an
 * `interfacePattern` makes none: a node's interfaces are not known here. `projectcalico-default-allow` lets through what no policy
 * is about.
 */
export function autoHostEndpoints(
  nodes: Iterable<Node>,
  { createDefaultHostEndpoint = "Enabled", templates = [] }: Partial<HostEndpointSettings>,
): ReadonlyMap<string, WantedHostEndpoint> {
  const wanted = new Map<string, WantedHostEndpoint>();
  for (const node of nodes) {
    const made = [
      ...(createDefaultHostEndpoint === "Enabled" ? [defaultHostEndpoint(node)] : []),
      ...templates.flatMap((template) => fromTemplate(node, template)),
    ];
    for (const one of made) if (!wanted.has(one.name)) wanted.set(one.name, one);
  }
  return wanted;
}

// --- internal ---

type Template = NonNullable<HostEndpointSettings["templates"]>[number];

const profiles = ["projectcalico-default-allow"];

function defaultHostEndpoint({ name, labels, internalIps }: Node): WantedHostEndpoint {
  return {
    name: `${name}-auto-hep`,
    labels: { ...labels, [createdByLabel.name]: createdByLabel.value },
    annotations: {},
    spec: { node: name, interfaceName: "*", expectedIPs: internalIps, profiles },
  };
}

function fromTemplate(node: Node, template: Template): readonly WantedHostEndpoint[] {
  const { generateName = "", interfaceCIDRs = [], interfacePattern, nodeSelector = "" } = template;
  if (interfacePattern || !selectorMatches(parseSelector(nodeSelector), node.labels)) return [];
  const expectedIPs = node.internalIps.filter(
    (ip) => interfaceCIDRs.length === 0 || interfaceCIDRs.some((cidr) => cidrContainsIp(cidr, ip)),
  );
  // Without an address it would be for no interface, which the API server refuses.
  if (expectedIPs.length === 0) return [];
  return [
    {
      name: `${node.name}-${generateName}-auto-hep`,
      labels: { ...node.labels, ...template.labels, [createdByLabel.name]: createdByLabel.value },
      annotations: { ...template.annotations },
      spec: { node: node.name, expectedIPs, profiles },
    },
  ];
}
