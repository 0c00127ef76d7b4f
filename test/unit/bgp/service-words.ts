import { parseBgpConfiguration } from "../../../src/api/bgp-configuration.ts";
import { namespacedName } from "../../../src/api/names.ts";
import type { EndpointSlice, Service, SliceEndpoint } from "../../../src/api/objects.ts";
import type { Snapshot } from "../../../src/api/snapshot.ts";
import { parseIp, versionOf } from "../../../src/net/ip.ts";
import { nodeName } from "./cluster.ts";

/** A Service in the few words that announcing depends on; what is left out is as Kubernetes has it. */
export interface ServiceWords {
  readonly type?: Service["type"];
  readonly cluster?: readonly string[];
  readonly external?: readonly string[];
  readonly balanced?: readonly string[];
  readonly asked?: string;
  readonly local?: true;
  /** `ADDRESS NODE`, and a word for what it is not: `unready`, `terminating`. */
  readonly endpoints?: readonly string[];
}

/** The snapshot with BGPConfigurations (name → spec) and Services (name → words) in the namespace `shop`. */
export function withServices(
  snapshot: Snapshot,
  configurations: Readonly<Record<string, object>>,
  services: Readonly<Record<string, ServiceWords>>,
): Snapshot {
  const named = Object.entries(services);
  return {
    ...snapshot,
    bgpConfiguration: new Map(
      Object.entries(configurations).map(([name, spec]) => [name, parseBgpConfiguration({ metadata: { name }, spec })]),
    ),
    service: new Map(named.map(([name, words]) => [namespacedName("shop", name), serviceOf(name, words)])),
    endpointSlice: new Map(
      named.flatMap(([name, { endpoints = [] }]) =>
        endpoints.map(
          (text, index) => [namespacedName("shop", `${name}-${index}`), sliceOf(name, index, text)] as const,
        ),
      ),
    ),
  };
}

function serviceOf(name: string, words: ServiceWords): Service {
  const clusterIps = (words.cluster ?? ["10.96.0.10"]).map(parseIp);
  return {
    ...{ namespace: "shop", name, type: words.type ?? "LoadBalancer", clusterIps },
    externalIps: (words.external ?? []).map(parseIp),
    loadBalancerIps: (words.balanced ?? []).map(parseIp),
    requestedLoadBalancerIp: words.asked === undefined ? undefined : parseIp(words.asked),
    externalTrafficPolicy: words.local ? "Local" : "Cluster",
    internalTrafficPolicy: "Cluster",
    ipFamilies: clusterIps.map(versionOf),
    ...{ healthCheckNodePort: undefined, ports: [] },
  };
}

/** A slice for each endpoint: that several make one Service must not matter. */
function sliceOf(service: string, index: number, text: string): EndpointSlice {
  const [ip = "", node = "", state] = text.split(" ");
  const addresses = [parseIp(ip)];
  const endpoint: SliceEndpoint = {
    ...{ addresses, node: node === "-" ? undefined : nodeName(node), serving: true },
    ...{ ready: state !== "unready", terminating: state === "terminating" },
  };
  return { namespace: "shop", name: `${service}-${index}`, service, addresses, endpoints: [endpoint], ports: [] };
}
