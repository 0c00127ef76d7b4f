/** What kubelet is told by file. */
import type { KeyPair } from "../certificates.ts";

export interface KubeletInputs {
  /** Signs those who may ask kubelet. */
  readonly clientAuthority: string;
  readonly serving: KeyPair;
  readonly socket: string;
}

/** A KubeletConfiguration (kubelet.config.k8s.io/v1beta1) for a node that shares its machine with others. */
export function kubeletConfig({ clientAuthority, serving, socket }: KubeletInputs): object {
  const never = "0%";
  return {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    containerRuntimeEndpoint: `unix://${socket}`,
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: clientAuthority },
    },
    authorization: { mode: "Webhook" },
    tlsCertFile: serving.certificate,
    tlsPrivateKeyFile: serving.key,
    cgroupDriver: "cgroupfs",
    failCgroupV1: false,
    failSwapOn: false,
    maxPods: 200,
    // Nobody answers there; kubelet complains for each pod when it has none to name.
    clusterDNS: ["10.96.0.10"],
    resolvConf: "",
    volumePluginDir: "/var/lib/kubelet/volumeplugins",
    // The disk is the machine's: how full it is says nothing of the node.
    imageGCHighThresholdPercent: 100,
    localStorageCapacityIsolation: false,
    evictionHard: {
      "memory.available": never,
      "nodefs.available": never,
      "nodefs.inodesFree": never,
      "imagefs.available": never,
      "imagefs.inodesFree": never,
    },
    kubeAPIQPS: 100,
    kubeAPIBurst: 200,
    eventRecordQPS: 0,
    logging: { flushFrequency: "1s" },
  };
}
