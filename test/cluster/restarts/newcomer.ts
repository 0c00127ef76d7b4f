/** A pod that is wired by hand and that the API server is told nothing of. */
import type { Lab } from "../../../lab/cluster.ts";
import type { NodeLayout } from "../../../lab/layout.ts";
import { inNode } from "../../../lab/node.ts";
import { waitFor } from "../../../lab/wait.ts";
import { namespace, podObject } from "./objects.ts";
import { apply } from "./stage.ts";
import { echoPort } from "./traffic.ts";

/** What was wired. */
export interface Newcomer {
  readonly name: string;
  readonly address: string;
  readonly netns: string;
}

const name = "newcomer";

/**
 * A pod that may talk with the pods `open` alone, by their echo port, attached by the real executable; the one on its own node lets
 * in nobody else, so it has to be known by its label there. Disposed of, `undo` takes it all back. Rejects when ADD fails.
 */
export async function addNewcomer(lab: Lab, node: NodeLayout, undo: AsyncDisposableStack): Promise<Newcomer> {
  await apply(lab, policy, welcomeOn(node.name), podObject(name, node.name, { app: name }));
  undo.defer(async () => {
    await lab.kubectl(["delete", "networkpolicy", "welcome", `--namespace=${namespace}`]);
    await lab.kubectl(["delete", "pod", name, `--namespace=${namespace}`, "--grace-period=0", "--wait=false"]);
  });
  const uid = await lab.kubectl(["get", "pod", name, `--namespace=${namespace}`, "--output=jsonpath={.metadata.uid}"]);
  await inNode(lab.layout, node, ["ip", "netns", "add", name]);
  undo.defer(async () => {
    await inNode(lab.layout, node, ["ip", "netns", "del", name]);
  });
  const call = (command: string) => inNode(lab.layout, node, cniArgv(command, uid), JSON.stringify(cniConf));
  const { ips } = JSON.parse(await call("ADD")) as { readonly ips: readonly { readonly address: string }[] };
  undo.defer(async () => {
    await call("DEL");
  });
  return { name, address: ips[0]?.address.split("/")[0] ?? "", netns: name };
}

/** What the Pod says of where it is wired: undefined when nothing was written. */
export async function annotatedIp(lab: Lab): Promise<string | undefined> {
  const text = await lab.kubectl(["get", "pod", name, `--namespace=${namespace}`, "--output=json"]);
  const { metadata } = JSON.parse(text) as { readonly metadata: { readonly annotations?: Record<string, string> } };
  return metadata.annotations?.["cni.projectcalico.org/podIP"];
}

/** Takes away from the agents the right to write to pods, until `undo` is disposed of or what it answers is called. */
export async function forbidAnnotations(lab: Lab, undo: AsyncDisposableStack): Promise<() => Promise<void>> {
  const role = JSON.parse(await lab.kubectl(["get", "clusterrole", "margay-agent", "--output=json"])) as Role;
  const put = async (rules: Role["rules"]) => {
    const metadata = { name: role.metadata.name };
    await lab.kubectl(["replace", "-f", "-"], JSON.stringify({ ...role, metadata, rules }));
  };
  const allow = () => put(role.rules);
  undo.defer(allow);
  await put(role.rules.filter(({ resources }) => resources?.includes("pods/status") !== true));
  const agent = "--as=system:serviceaccount:margay-system:margay-agent";
  const question = ["auth", "can-i", "patch", "pods", "--subresource=status", agent, `--namespace=${namespace}`];
  await waitFor("an end of the right to write to pods", { timeoutMs: 30_000 }, async () =>
    lab.kubectl(question).then(
      () => undefined,
      () => true,
    ),
  );
  return allow;
}

// --- internal ---

interface Role {
  readonly metadata: { readonly name: string };
  readonly rules: readonly { readonly resources?: readonly string[] }[];
}

const opens = [{ podSelector: { matchLabels: { app: "open" } } }];
const ports = [{ port: echoPort, protocol: "TCP" }];
const policy = {
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { name, namespace },
  spec: {
    podSelector: { matchLabels: { app: name } },
    policyTypes: ["Ingress", "Egress"],
    ingress: [{ from: opens, ports }],
    egress: [{ to: opens, ports }],
  },
};

/** Other nodes do not know the newcomer: nobody has told the API server of its address. */
function welcomeOn(nodeName: string): object {
  const from = [{ podSelector: { matchLabels: { app: name } } }];
  return {
    ...{ apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata: { name: "welcome", namespace } },
    spec: {
      podSelector: { matchLabels: { app: "open", on: nodeName } },
      policyTypes: ["Ingress"],
      ingress: [{ from, ports }],
    },
  };
}

const cniConf = {
  ...{ name: "k8s-pod-network", cniVersion: "1.0.0", type: "calico", datastore_type: "kubernetes" },
  ipam: { type: "calico-ipam" },
};

function cniArgv(command: string, uid: string): readonly string[] {
  const args = `K8S_POD_NAMESPACE=${namespace};K8S_POD_NAME=${name};K8S_POD_UID=${uid}`;
  return [
    ...["env", `CNI_COMMAND=${command}`, `CNI_CONTAINERID=${name}`, `CNI_NETNS=/run/netns/${name}`, "CNI_IFNAME=eth0"],
    ...["CNI_PATH=/opt/cni/bin", `CNI_ARGS=${args}`, "/opt/cni/bin/calico"],
  ];
}
