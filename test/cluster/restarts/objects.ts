/** The objects of the campaign of restarts. Whatever of them is changed, the same traffic stays allowed and the same forbidden. */
import { outsideAddresses } from "../../../lab/layout.ts";
import { clientPort } from "../../../lab/outside-client.ts";
import { echoPort } from "./traffic.ts";

/** Where all of it is. */
export const namespace = "restarts";

/** Of the pods whose traffic is watched, one each on a node. `open` has no policy of its own, `flipper` no traffic. */
export const roles = ["server", "client", "open", "captive", "flipper"] as const;
export type Role = (typeof roles)[number];

export function nameOf(role: Role, nodeName: string): string {
  return `${role}-on-${nodeName}`;
}

export function namespaceObject(): object {
  return { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace, labels: { tint: "none" } } };
}

/** It echoes nothing of what is measured: that does a program of its own. */
export function podObject(name: string, nodeName: string, labels: Readonly<Record<string, string>>): object {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace, labels },
    spec: {
      nodeName,
      terminationGracePeriodSeconds: 0,
      automountServiceAccountToken: false,
      tolerations: [{ operator: "Exists" }],
      containers: [{ name: "pod", image: "lab/echo" }],
    },
  };
}

/** `steady` leads to the server of one node; `churned` to whatever serves just now. */
export function serviceObjects(nodeName: string): readonly object[] {
  const service = (name: string, selector: Readonly<Record<string, string>>) => ({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace },
    spec: { selector, ports: [{ port: echoPort, targetPort: echoPort }] },
  });
  return [service("steady", { app: "server", on: nodeName }), service("churned", { serve: "yes" })];
}

/** A rule of a policy of Kubernetes. */
export type Rule = Readonly<Record<string, unknown>>;

/** Names of the policies that make traffic allowed or forbidden. */
export const steadyPolicies = ["servers", "captives", "clients"] as const;
export type SteadyPolicy = (typeof steadyPolicies)[number];

/** One of them, `more` rules around the one that matters: none may name a watched port, or let captives to who is watched. */
export function steadyPolicy(name: SteadyPolicy, before: readonly Rule[] = [], after: readonly Rule[] = []): object {
  const direction = name === "servers" ? "ingress" : "egress";
  const app = { servers: "server", captives: "captive", clients: "client" }[name];
  const rules = [...before, ...steadyRules[name], ...after];
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name, namespace },
    spec: {
      podSelector: { matchLabels: { app } },
      policyTypes: [name === "servers" ? "Ingress" : "Egress"],
      [direction]: rules,
    },
  };
}

/** What the campaign switches between. */
export interface BackendWish {
  readonly nftablesMode: "Enabled" | "Disabled";
  readonly iptablesBackend: "Legacy" | "NFT";
}

export function felixConfiguration(wish: BackendWish): object {
  return {
    apiVersion: "projectcalico.org/v3",
    kind: "FelixConfiguration",
    metadata: { name: "default" },
    spec: wish,
  };
}

// --- internal ---

const selecting = (app: string) => ({ podSelector: { matchLabels: { app } } });
const tcp = (port: number) => ({ port, protocol: "TCP" });

const steadyRules: Readonly<Record<SteadyPolicy, readonly Rule[]>> = {
  servers: [{ from: [selecting("client")], ports: [tcp(echoPort)] }],
  captives: [{ to: [selecting("flipper")] }],
  clients: [
    { to: [selecting("server")] },
    { to: [{ ipBlock: { cidr: `${outsideAddresses[0]}/32` } }], ports: [tcp(clientPort)] },
  ],
};
