/** Who reaches whom, asked with real connections from within every pod at once. */
import { askPod, type PodAnswer } from "./ask-pod.ts";
import type { Lab } from "./cluster.ts";
import { type LabPod, readPods } from "./lab-pods.ts";
import { outsideAddresses } from "./layout.ts";
import { clientPort, clientSocket } from "./outside-client.ts";

/** Somebody who asks and is asked. */
export interface Party {
  /** What it is called in the expected matrix: its namespace and `app` label, or `outside-1`. */
  readonly group: string;
  /** E.g. `shop/web-6d4b…-x2x7p`. */
  readonly name: string;
  readonly address: string;
  readonly ports: readonly number[];
  readonly place: string;
  /** Its control socket on this machine. */
  readonly socket: string;
}

/** One port of one party. */
export interface Door {
  readonly party: Party;
  readonly port: number;
}

export interface Matrix {
  readonly rows: readonly Party[];
  readonly columns: readonly Door[];
  /** By row, then column; undefined where a party would ask itself. */
  readonly answers: readonly (readonly (PodAnswer | undefined)[])[];
}

/** How long a connection may take. A dropped one costs the whole of it, all at once: so it is paid only once. */
const timeoutMs = 2500;

/** Asks from every running pod of these namespaces and from outside. Rejects when a pod's process does not answer. */
export async function measureMatrix(lab: Lab, namespaces: readonly string[]): Promise<Matrix> {
  const pods = (await readPods(lab)).filter(({ namespace }) => namespaces.includes(namespace));
  const rows = [...pods.map(partyOf), ...outsideParties(lab)];
  const columns = rows.flatMap((party) => party.ports.map((port) => ({ party, port })));
  const answers = await Promise.all(rows.map((row) => ask(row, columns)));
  return { rows, columns, answers };
}

// --- internal ---

async function ask(row: Party, columns: readonly Door[]): Promise<readonly (PodAnswer | undefined)[]> {
  const asked = columns.filter(({ party }) => !isSame(row, party));
  const from = row.place === "outside" ? { from: row.address } : {};
  const targets = asked.map(({ party, port }) => ({
    address: party.address,
    port,
    protocol: "TCP" as const,
    timeoutMs,
    ...from,
  }));
  const answers = await askPod(row.socket, targets);
  const byDoor = new Map(asked.map((door, index) => [door, answers[index]]));
  return columns.map((door) => byDoor.get(door));
}

/** Both outside parties are one machine. */
function isSame(one: Party, other: Party): boolean {
  return one === other || (one.place === "outside" && other.place === "outside");
}

function partyOf(pod: LabPod): Party {
  return {
    group: `${pod.namespace}/${pod.app ?? pod.name}`,
    name: `${pod.namespace}/${pod.name}`,
    address: pod.address,
    ports: pod.ports,
    place: pod.node.name,
    socket: pod.socket,
  };
}

function outsideParties({ layout }: Lab): readonly Party[] {
  return outsideAddresses.map((address, index) => ({
    group: `outside-${index + 1}`,
    name: `outside-${index + 1}`,
    address,
    ports: [clientPort],
    place: "outside",
    socket: clientSocket(layout),
  }));
}
