/** The lab on which agents are killed: pods that talk without pause, and that try without pause what they may not. */
import { setTimeout as sleep } from "node:timers/promises";
import { type Lab, startLab } from "../../../lab/cluster.ts";
import { readPods } from "../../../lab/lab-pods.ts";
import { outsideAddresses } from "../../../lab/layout.ts";
import { clientPort } from "../../../lab/outside-client.ts";
import { waitFor } from "../../../lab/wait.ts";
import { arriving, Meter } from "../first-instruction-meter.ts";
import { Chronicle } from "./chronicle.ts";
import {
  nameOf,
  namespace,
  namespaceObject,
  podObject,
  type Role,
  roles,
  serviceObjects,
  steadyPolicies,
  steadyPolicy,
} from "./objects.ts";
import { Peer } from "./peer.ts";
import { echoPort, figuresOf, intrude, placeOf, placeOutside, watchedPort } from "./traffic.ts";

/** Disposing of it ends the traffic; the lab stays. */
export interface Stage extends AsyncDisposable {
  readonly lab: Lab;
  readonly peers: readonly Peer[];
  /** What the kernel sees arrive where nothing may, also of connections that come to nothing. */
  readonly meters: readonly Meter[];
  readonly heldConnections: number;
  readonly chronicle: Chronicle;
  /** The peer of this role on the lab's first or second node. */
  peer(role: Role, node: 1 | 2): Peer;
}

/**
 * Starts the lab and its traffic. When it resolves, every forbidden flow has been seen to arrive while there was no policy yet and
 * to end with it, and every connection that is to be held stands.
 */
export async function setStage(name: string): Promise<Stage> {
  const lab = await startLab({ name, nodes: 2, progress: () => undefined });
  await makeObjects(lab);
  const chronicle = new Chronicle();
  await using undo = new AsyncDisposableStack();
  const peers = await startPeers(lab, chronicle, undo);
  const peer = (role: Role, node: 1 | 2) => peerNamed(peers, nameOf(role, `node-${node}`));
  const forbidden = forbiddenPairs(peer, peerNamed(peers, "outside"));
  await proveReachable(forbidden, peers);
  await apply(lab, ...steadyPolicies.map((policy) => steadyPolicy(policy)));
  await untilForbidden(forbidden, peers);
  const heldConnections = await holdConnections(lab, peer);
  const meters = await Promise.all([...new Set(forbidden.map(([, to]) => to))].map(startMeter));
  for (const one of peers) one.order({ order: "forget" });
  chronicle.begin();
  const kept = undo.move();
  const end = () => kept.disposeAsync();
  return { lab, peers, meters, heldConnections, chronicle, peer, [Symbol.asyncDispose]: end };
}

/** Server-side apply. */
export async function apply(lab: Lab, ...items: readonly object[]): Promise<void> {
  const list = { apiVersion: "v1", kind: "List", items };
  await lab.kubectl(["apply", "--server-side", "--force-conflicts", "-f", "-"], JSON.stringify(list));
}

// --- internal ---

/** Whoever tries, and where nothing of it may arrive. */
type Pairs = readonly (readonly [Peer, Peer])[];

const nodeNumbers = [1, 2] as const;

async function makeObjects(lab: Lab): Promise<void> {
  const pods = roles.flatMap((app) =>
    lab.layout.nodes.map(({ name }) => podObject(nameOf(app, name), name, { app, on: name, tint: "none" })),
  );
  await apply(lab, namespaceObject(), ...serviceObjects("node-2"), ...pods);
  await lab.kubectl(["wait", "--for=condition=Ready", "pods", "--all", `--namespace=${namespace}`, "--timeout=120s"]);
}

async function startPeers(lab: Lab, chronicle: Chronicle, undo: AsyncDisposableStack): Promise<readonly Peer[]> {
  const pods = (await readPods(lab)).filter((pod) => pod.namespace === namespace && pod.app !== "flipper");
  const places = [...pods.map((pod) => placeOf(lab, pod)), placeOutside(lab)];
  return Promise.all(
    places.map(async (place) => undo.use(await Peer.start(place, (breach) => chronicle.breach(breach)))),
  );
}

function peerNamed(peers: readonly Peer[], name: string): Peer {
  const found = peers.find((one) => one.name === name);
  if (found === undefined) throw new Error(`Cannot find ${name} among the pods with traffic`);
  return found;
}

/** By the receiver's policy, by its ports, and by the sender's policy; on one node, across two, and out of the cluster. */
function forbiddenPairs(peer: Stage["peer"], outside: Peer): Pairs {
  return nodeNumbers.flatMap((from) => [
    ...nodeNumbers.flatMap((to) => [
      [peer("open", from), peer("server", to)] as const,
      [peer("client", from), peer("server", to)] as const,
      [peer("captive", from), peer("open", to)] as const,
    ]),
    [peer("captive", from), outside] as const,
  ]);
}

/** Else it would say nothing that nothing arrives. */
async function proveReachable(forbidden: Pairs, peers: readonly Peer[]): Promise<void> {
  intrude(forbidden);
  await waitFor("every flow that is to be forbidden", { timeoutMs: 60_000 }, async () => {
    const missing = forbidden.flatMap(([from, to]) =>
      ["TCP", "UDP"].filter((protocol) => {
        // The address of a pod is another one outside.
        const source = to.name === "outside" ? "" : `${from.address} `;
        return !to.arrivals.some((line) => line.startsWith(`${protocol} ${source}`));
      }),
    );
    if (missing.length > 0) throw new Error(`${missing.length} have not arrived`);
    return true;
  });
  for (const one of peers) one.order({ order: "withdraw" });
}

async function untilForbidden(forbidden: Pairs, peers: readonly Peer[]): Promise<void> {
  await waitFor("the end of all forbidden flows", { timeoutMs: 60_000 }, async () => {
    intrude(forbidden);
    const before = await figuresOf(peers);
    await sleep(1_000);
    const { arrivals } = await figuresOf(peers);
    return arrivals === before.arrivals || undefined;
  });
}

/** Of clients to servers on their node and the other, by a Service's address, and to outside. */
async function holdConnections(lab: Lab, peer: Stage["peer"]): Promise<number> {
  const argv = ["get", "service", "steady", `--namespace=${namespace}`, "--output=jsonpath={.spec.clusterIP}"];
  const service = { name: "the Service", address: await lab.kubectl(argv) };
  const outside = { name: "outside", address: outsideAddresses[0] };
  const wanted = nodeNumbers.flatMap((from) => [
    [peer("client", from), peer("server", 1), echoPort] as const,
    [peer("client", from), peer("server", 2), echoPort] as const,
    [peer("client", from), service, echoPort] as const,
    [peer("client", from), outside, clientPort] as const,
  ]);
  await Promise.all(wanted.map(([from, to, port]) => from.hold(to, port)));
  for (const [from, to, port] of wanted) {
    const name = `${from.name} → ${to.name}`;
    from.order({ order: "renew", to: { name, address: to.address, port } });
  }
  return wanted.length;
}

function startMeter(to: Peer): Promise<Meter> {
  return Meter.start({ name: to.name, run: to.run, hooks: arriving, ports: [watchedPort, watchedPort] }, "restarts");
}
