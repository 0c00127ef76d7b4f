import { parseNamespace } from "../../src/api/kubernetes/namespace.ts";
import { parsePod } from "../../src/api/kubernetes/pod.ts";
import { namespacedName } from "../../src/api/names.ts";
import { attachmentKey } from "../../src/api/objects.ts";
import type { Change } from "../../src/api/snapshot.ts";

/** The pod shop/web of node-1, with an interface. */
export const shop = (): readonly Change[] => {
  const pod = namespacedName("shop", "web");
  const common = { containerId: "c", interfaceName: "eth0", netns: "/run/netns/x", podUid: undefined };
  const attachment = { ...common, hostInterface: "calia1", pod, addresses: [], mtu: 1500 };
  const json = { metadata: { name: "web", namespace: "shop", uid: "u" }, spec: { nodeName: "node-1" }, status: {} };
  return [
    { kind: "namespace", key: "shop", value: parseNamespace({ metadata: { name: "shop", uid: "n" } }) },
    { kind: "pod", key: pod, value: parsePod(json) },
    { kind: "attachment", key: attachmentKey(attachment), value: attachment },
  ];
};
