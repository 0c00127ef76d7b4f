/** Policies that come and go beside those that matter: they touch the same pods, and never what the watched traffic may do. */
import { namespace, type Rule } from "./objects.ts";
import { between, oneOf, type Random } from "./random.ts";

/** Of a network that nobody has. */
export function randomNet(random: Random): string {
  return `10.99.${Math.floor(random() * 256)}.${Math.floor(random() * 16) * 16}/28`;
}

/** Up to three rules for a policy of Kubernetes, about strangers or about ports where nobody is. */
export function randomRules(direction: "from" | "to", random: Random): readonly Rule[] {
  return Array.from({ length: Math.floor(random() * 4) }, () => {
    const peers = [
      { ipBlock: { cidr: randomNet(random) } },
      { podSelector: { matchLabels: { app: "guest", role: "guest" } } },
      { podSelector: { matchLabels: { app: "guest", tint: oneOf(tints, random) } } },
    ];
    const rule = { [direction]: [oneOf(peers, random)] };
    return random() < 0.5 ? rule : { ...rule, ports: [{ port: quietPort(random), protocol: "TCP" }] };
  });
}

/** One of upstream's kinds, with the path it is put at. Its order stands anywhere around that of Kubernetes' policies. */
export function extraPolicy(number: number, random: Random): { readonly path: string; readonly object: object } {
  const isGlobal = number % 2 === 0;
  const kind = isGlobal ? "GlobalNetworkPolicy" : "NetworkPolicy";
  const name = `extra-${number}`;
  const place = isGlobal ? "globalnetworkpolicies" : `namespaces/${namespace}/networkpolicies`;
  const whom = oneOf(["app == 'server'", "app == 'captive'", "app == 'client'", "app == 'open'"], random);
  const selector = random() < 0.5 ? whom : `${whom} && tint == '${oneOf(tints, random)}'`;
  const space = isGlobal ? ` && projectcalico.org/namespace == '${namespace}'` : "";
  const types = oneOf([["Ingress"], ["Egress"], ["Ingress", "Egress"]], random);
  const rules = (direction: "source" | "destination") =>
    Array.from({ length: Math.floor(between(1, 5, random)) }, () => extraRule(direction, random));
  return {
    path: `/apis/projectcalico.org/v3/${place}/${name}`,
    object: {
      apiVersion: "projectcalico.org/v3",
      kind,
      metadata: { name, ...(isGlobal ? {} : { namespace }) },
      spec: {
        ...{ order: Math.floor(between(1, 2000, random)), selector: `${selector}${space}`, types },
        ...(types.includes("Ingress") ? { ingress: rules("source") } : {}),
        ...(types.includes("Egress") ? { egress: rules("destination") } : {}),
      },
    },
  };
}

// --- internal ---

const tints = ["red", "blue", "none"] as const;

/** Where nobody listens. */
function quietPort(random: Random): number {
  return Math.floor(between(5000, 6000, random));
}

function extraRule(direction: "source" | "destination", random: Random): object {
  const action = oneOf(["Allow", "Deny", "Pass"], random);
  const peers = [
    { selector: "app == 'guest' && role == 'guest'" },
    { selector: `app == 'guest' && tint == '${oneOf(tints, random)}'` },
    { selector: `nets == '${oneOf(tints, random)}'` },
    { nets: [randomNet(random)] },
    { selector: "app == 'client'", ports: [quietPort(random)] },
    { ports: [quietPort(random), `${quietPort(random)}:5999`] },
  ];
  const peer = oneOf(peers, random);
  // By the port that it echoes on alone.
  if (direction === "destination" && random() < 0.2)
    return { action: "Allow", destination: { services: { name: "churned", namespace } } };
  return { action, protocol: "TCP", [direction === "source" && "ports" in peer ? "destination" : direction]: peer };
}
