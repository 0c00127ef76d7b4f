/** Ways to lay out a cluster's sessions, and ways to get from one to the next. */
import { setTimeout as sleep } from "node:timers/promises";
import type { LabLayout } from "../../lab/layout.ts";
import type { Neighbours } from "./bgp-settled.ts";
import { apply, type BgpStage } from "./bgp-stage.ts";

/** Names of the nodes that are route reflectors, with which alone all others have sessions; none: a full mesh. */
export type Reflectors = readonly string[];

/**
 * `careful`: as a person would, each step once the last one shows. `at once`: in one command, and in it first what takes away, so
 * that for a while nobody asks for the sessions that carry everything.
 */
export type Order = "careful" | "at once";

export interface Change {
  readonly from: Reflectors;
  readonly to: Reflectors;
  readonly order: Order;
  /** Whether the mesh, if it is one now, has a password. */
  readonly password: boolean;
}

/** Asks for these reflectors where those were. Resolves when the API server has it all. */
export async function changeReflectors(
  { lab }: Pick<BgpStage, "lab">,
  { from, to, order, password }: Change,
): Promise<void> {
  const [isMesh, wasMesh] = [to.length === 0, from.length === 0];
  const nodes = lab.layout.nodes.map(({ name }) => nodeObject(name, to));
  const pause = () => (order === "careful" ? sleep(stepMs) : undefined);
  if (isMesh && order === "at once") {
    await lab.kubectl(["delete", "bgppeer", peerName]);
    await apply(lab, [...nodes, meshObject(password)]);
  } else if (isMesh) {
    await apply(lab, [meshObject(password)]);
    await pause();
    await lab.kubectl(["delete", "bgppeer", peerName]);
    await pause();
    await apply(lab, nodes);
  } else if (order === "at once") {
    await apply(lab, [noMesh, ...nodes, peerObject()]);
  } else {
    await apply(lab, nodes);
    await pause();
    await apply(lab, [peerObject()]);
    await pause();
    if (wasMesh) await apply(lab, [noMesh]);
  }
}

/** Whom each node is to have sessions with: by these reflectors, and the router. */
export function neighboursBy({ nodes }: Pick<LabLayout, "nodes">, reflectors: Reflectors): Neighbours {
  const isReflector = (name: string) => reflectors.length === 0 || reflectors.includes(name);
  return new Map(
    nodes.map(({ name }) => {
      const others = nodes.filter((other) => other.name !== name && (isReflector(name) || isReflector(other.name)));
      return [name, [...others.map(({ address }) => address), routerAddress]];
    }),
  );
}

/** The cluster's BGPConfiguration with a mesh, with a password from `passwordSecret` or without one. */
export function meshObject(password: boolean): object {
  const nodeMeshPassword = { secretKeyRef: passwordSecret };
  return configurationObject({ nodeToNodeMeshEnabled: true, ...(password && { nodeMeshPassword }) });
}

/** Where the mesh's password stands, in the agents' namespace: a Secret that their role lets them read. */
export const passwordSecret = { name: "bgp-secrets", key: "mesh" } as const;

// --- internal ---

/** Until what was asked for last shows in `margay node status`. */
const stepMs = 1_500;
const peerName = "reflectors";
/** That of manifests/examples/network.yaml's BGPPeer. */
const routerAddress = "172.18.0.1";

const noMesh = configurationObject({ nodeToNodeMeshEnabled: false });

function configurationObject(spec: object): object {
  return { apiVersion: "projectcalico.org/v3", kind: "BGPConfiguration", metadata: { name: "default" }, spec };
}

function nodeObject(name: string, reflectors: Reflectors): object {
  const marks = reflectors.includes(name)
    ? {
        annotations: { "projectcalico.org/RouteReflectorClusterID": "244.0.0.1" },
        labels: { "route-reflector": "true" },
      }
    : {};
  return { apiVersion: "v1", kind: "Node", metadata: { name, ...marks } };
}

function peerObject(): object {
  const spec = { nodeSelector: "all()", peerSelector: "has(route-reflector)" };
  return { apiVersion: "projectcalico.org/v3", kind: "BGPPeer", metadata: { name: peerName }, spec };
}
