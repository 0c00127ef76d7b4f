import { felixFields } from "../../api/felix-configuration.ts";
import { whyUnused } from "../../api/felix-configuration-fields.ts";

/** The fields of FelixConfiguration that are accepted and have no effect, each with the reason. */
export const unusedFields: ReadonlyMap<string, string> = new Map(
  Object.entries(felixFields).flatMap(([field, { description }]) => {
    const why = whyUnused(description);
    return why === undefined ? [] : [[field, why]];
  }),
);

const etcd = "the datastore is the Kubernetes API";
const typha = "the agent follows the API server itself";
const debugging = "it is for upstream's own tests";
const tunnels = "there are no tunnels between nodes";
const cluster = "it is upstream's own record of the cluster";

/** The same for parameters that only the environment and the file can have. */
export const unusedLocally: Readonly<Record<string, string>> = {
  ...all(
    ["DatastoreType", "EtcdAddr", "EtcdScheme", "EtcdKeyFile", "EtcdCertFile", "EtcdCaFile", "EtcdEndpoints"],
    etcd,
  ),
  ...all(["TyphaAddr", "TyphaK8sServiceName", "TyphaK8sNamespace", "TyphaReadTimeout", "TyphaWriteTimeout"], typha),
  ...all(["TyphaKeyFile", "TyphaCertFile", "TyphaCAFile", "TyphaCN", "TyphaURISAN"], typha),
  FelixHostname: "the node's name is the agent's flag --node-name, or NODENAME",
  ...all(["DebugBPFCgroupV2"], "there is no eBPF dataplane"),
  ...all(["DebugCPUProfilePath", "DebugPanicAfter", "DebugSimulateDataRace"], debugging),
  ...all(["IPv4VXLANTunnelAddr", "IPv6VXLANTunnelAddr", "VXLANTunnelMACAddr", "VXLANTunnelMACAddrV6"], tunnels),
  ...all(["IpInIpTunnelAddr"], tunnels),
  ...all(["ClusterGUID", "ClusterType", "CalicoVersion", "Variant"], cluster),
};

/** True for a value that asks for nothing: what it says is so already. */
export function asksForNothing(value: unknown): boolean {
  return /^(|false|0|0s|no|n|f|off|none|disabled|donothing|never|kubernetes|\[\]|\{\})$/i.test(
    typeof value === "object" ? JSON.stringify(value) : String(value),
  );
}

// --- internal ---

function all(names: readonly string[], why: string): Readonly<Record<string, string>> {
  return Object.fromEntries(names.map((name) => [name, why]));
}
