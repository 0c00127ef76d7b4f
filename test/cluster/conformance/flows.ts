import { hostPods, nameOf, nameServer, nodeNames, pods, type WorldPod } from "./world.ts";

/** One cell of the truth table: who asks whom, how. */
export interface Flow {
  readonly from: string;
  readonly to: string;
  readonly protocol: "TCP" | "UDP" | "SCTP" | "ICMP";
  /** 0 for ICMP. */
  readonly port: number;
  readonly via: "address" | "service";
}

type Endpoint = Pick<Flow, "protocol" | "port">;

const outsideNames = ["outside-1", "outside-2"] as const;
/** Everyone who asks. */
export const askers: readonly string[] = [...pods.map(nameOf), ...nodeNames, ...outsideNames];
/** Everyone whom expectations may name. */
export const everybody: readonly string[] = [...askers, nameOf(nameServer), "metadata"];

const plain: readonly Endpoint[] = (["TCP", "UDP"] as const).flatMap((protocol) =>
  [80, 81].map((port) => ({ protocol, port })),
);

/** The whole truth table, an asker's flows one after the other. From outside no Service's address is routed. */
export const allFlows: readonly Flow[] = askers.flatMap((from) => {
  const isOutside = from.startsWith("outside");
  const services = isOutside ? [] : [...pods, nameServer].flatMap((pod) => flowsTo(from, pod, "service"));
  return [
    ...[...pods, nameServer].flatMap((pod) => flowsTo(from, pod, "address")),
    ...services,
    ...hostPods.flatMap(({ node }) => plain.map((end) => ({ from, to: node, ...end, via: "address" as const }))),
    ...(isOutside
      ? []
      : hostPods.flatMap(({ node }) => plain.map((end) => ({ from, to: node, ...end, via: "service" as const })))),
    ...(isOutside ? [] : beyond(from)),
  ];
});

/** `x/a -> y/b TCP/80 by service`. */
export function formatFlow({ from, to, protocol, port, via }: Flow): string {
  return `${from} -> ${to} ${protocol === "ICMP" ? protocol : `${protocol}/${port}`} by ${via}`;
}

// --- internal ---

function flowsTo(from: string, pod: WorldPod, via: Flow["via"]): readonly Flow[] {
  const ends: Endpoint[] = pod.ports.map(({ protocol, port }) => ({ protocol, port }));
  // A Service has no ICMP.
  if (via === "address") ends.push({ protocol: "ICMP", port: 0 });
  return ends.map((end) => ({ from, to: nameOf(pod), ...end, via }));
}

function beyond(from: string): readonly Flow[] {
  const outside = outsideNames.flatMap((to) => plain.map((end) => ({ from, to, ...end, via: "address" as const })));
  // The echo there answers datagrams from its first address, whichever was asked.
  const answering = outside.filter(({ to, protocol }) => to !== "outside-2" || protocol === "TCP");
  return [...answering, { from, to: "metadata", protocol: "TCP", port: 80, via: "address" }];
}
