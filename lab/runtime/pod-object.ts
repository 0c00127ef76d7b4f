/** As much of a Pod object as the runtime stand-in reads and writes. */
export interface PodObject {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly deletionTimestamp?: string;
  };
  readonly spec: {
    readonly hostNetwork?: boolean;
    readonly containers: readonly ContainerObject[];
  };
  readonly status?: { readonly phase?: string; readonly startTime?: string };
}

interface ContainerObject {
  readonly name: string;
  readonly image?: string;
  readonly ports?: readonly {
    readonly containerPort: number;
    readonly hostPort?: number;
    readonly hostIP?: string;
    readonly protocol?: string;
  }[];
}

/** A port that the pod's process echoes on. */
export interface EchoPort {
  readonly port: number;
  readonly protocol: "TCP" | "UDP";
}

/** The TCP and UDP ports that the containers declare; TCP 8080 when they declare none. */
export function echoPortsOf(pod: PodObject): readonly EchoPort[] {
  const declared = pod.spec.containers.flatMap(({ ports = [] }) =>
    ports.flatMap(({ containerPort: port, protocol = "TCP" }) =>
      protocol === "TCP" || protocol === "UDP" ? [{ port, protocol } as const] : [],
    ),
  );
  return declared.length > 0 ? declared : [{ port: 8080, protocol: "TCP" }];
}

/** The CNI capability `portMappings` of this pod; empty when it has no host port. */
export function portMappingsOf(pod: PodObject): readonly unknown[] {
  return pod.spec.containers.flatMap(({ ports = [] }) =>
    ports.flatMap(({ containerPort, hostPort, hostIP, protocol = "TCP" }) =>
      hostPort === undefined
        ? []
        : [{ hostPort, containerPort, protocol: protocol.toLowerCase(), hostIP: hostIP ?? "" }],
    ),
  );
}

/** `status` of a pod whose containers all run. */
export function runningStatus(
  pod: PodObject,
  facts: { containerId: string; ips: readonly string[]; hostIp: string; now: string },
) {
  const { containerId, ips, hostIp, now } = facts;
  const conditions = ["PodReadyToStartContainers", "PodScheduled", "Initialized", "ContainersReady", "Ready"].map(
    (type) => ({
      type,
      status: "True",
      lastTransitionTime: now,
    }),
  );
  return {
    phase: "Running",
    conditions,
    hostIP: hostIp,
    hostIPs: [{ ip: hostIp }],
    podIP: ips[0] ?? null,
    podIPs: ips.map((ip) => ({ ip })),
    startTime: pod.status?.startTime ?? now,
    containerStatuses: pod.spec.containers.map(({ name, image = "" }) => ({
      name,
      image,
      imageID: "",
      containerID: `lab://${containerId}`,
      ready: true,
      started: true,
      restartCount: 0,
      state: { running: { startedAt: now } },
    })),
  };
}

/** `status` of a pod that could not be attached: it waits, and says why. */
export function waitingStatus(pod: PodObject, facts: { reason: string; hostIp: string; now: string }) {
  const { reason, hostIp, now } = facts;
  const waiting = (type: string) => ({
    type,
    status: "False",
    reason: "FailedCreatePodSandBox",
    message: reason,
    lastTransitionTime: now,
  });
  return {
    phase: "Pending",
    hostIP: hostIp,
    hostIPs: [{ ip: hostIp }],
    conditions: [
      { type: "PodScheduled", status: "True", lastTransitionTime: now },
      waiting("PodReadyToStartContainers"),
      waiting("Ready"),
    ],
    containerStatuses: pod.spec.containers.map(({ name, image = "" }) => ({
      name,
      image,
      imageID: "",
      ready: false,
      restartCount: 0,
      state: { waiting: { reason: "ContainerCreating" } },
    })),
  };
}
