import { pino } from "pino";
import type { NodeName } from "../../src/api/names.ts";
import { systemNamespace } from "../../src/api/names.ts";
import { type AddressUse, agentLeaseName } from "../../src/api/node-query.ts";
import { emptySnapshot, type Snapshot } from "../../src/api/snapshot.ts";
import { IpamGcController } from "../../src/controllers/ipam-gc/ipam-gc-controller.ts";
import { systemClock } from "../../src/host/clock.ts";
import { StoreReclaimer } from "../../src/ipam/store-reclaimer.ts";
import { ChangeFeed } from "../../src/kube/change-feed.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { controllerKinds } from "../../src/kube/fed-kinds.ts";
import { KubeIpamStore } from "../../src/kube/ipam-store.ts";
import type { Ip } from "../../src/net/ip.ts";
import { noAgents } from "../fakes/no-agents.ts";

const leakGraceMs = 60_000;
const leases = `/apis/coordination.k8s.io/v1/namespaces/${systemNamespace}/leases`;

/** What the nodes' agents say of their addresses; a node without an answer does not answer. */
export type Answers = ReadonlyMap<NodeName, readonly Ip[]>;

/** Garbage collection as `margay controllers` wires it, with a clock that a test moves. */
export class Collection {
  readonly freed: Ip[] = [];
  readonly #controller: IpamGcController;
  readonly #client: KubeClient;
  #answers: Answers = new Map();
  #aheadMs = 0;

  constructor(client: KubeClient, snapshot: Snapshot) {
    this.#client = client;
    const clock = {
      ...{ sleep: systemClock.sleep, random: systemClock.random },
      now: () => systemClock.now() + this.#aheadMs,
      monotonicNow: () => systemClock.monotonicNow() + this.#aheadMs,
    };
    const store = new KubeIpamStore({ client, onRejected: () => undefined });
    this.#controller = new IpamGcController({
      ...{ client, snapshot, clock, logger: pino({ enabled: false }), events: { record: () => undefined } },
      reclaimer: new StoreReclaimer({ store, clock }),
      settings: () => ({ leakGraceMs, reconcilerMs: leakGraceMs }),
      onFreed: (some) => this.freed.push(...some.map(({ ip }) => ip)),
      agents: {
        ...noAgents,
        addressesInUse: async (node, ips) => {
          const used = this.#answers.get(node);
          if (used === undefined) throw new Error(`Cannot ask the agent of node ${node}: no answer`);
          return used.filter((ip) => ips?.includes(ip) ?? true).map(useOf);
        },
      },
    });
  }

  /** So many passes, half a grace period apart; before each the agents named renew their Leases. */
  async pass(count: number, answers: Answers, renewing: readonly NodeName[]): Promise<void> {
    this.#answers = answers;
    for (let index = 0; index < count; index++) {
      for (const node of renewing) await renewLease(this.#client, node);
      await this.#controller.pass(new AbortController().signal);
      this.#aheadMs += leakGraceMs / 2 + 1000;
    }
  }
}

/** What the API server holds now, as the controllers follow it. */
export async function readSnapshot(client: KubeClient): Promise<Snapshot> {
  const snapshot = emptySnapshot();
  const feed = new ChangeFeed({
    ...{ client, kinds: controllerKinds, clock: systemClock },
    onChanges: (changes) => {
      for (const { kind, key, value } of changes) (snapshot[kind] as Map<string, unknown>).set(key, value);
    },
    onRejected: ({ reason }) => {
      throw new Error(reason);
    },
    onTrouble: () => undefined,
  });
  feed.start();
  await feed.synced;
  await feed.stop();
  return snapshot;
}

/** A client to whom the API server answers each read as it did the first time; writes are real. */
export function staleClient(client: KubeClient): KubeClient {
  const first = new Map<string, Promise<unknown>>();
  return {
    server: client.server,
    request: <T>(...[method, path, options]: Parameters<KubeClient["request"]>): Promise<T> => {
      if (method !== "GET") return client.request<T>(method, path, options);
      const key = `${path} ${JSON.stringify(options?.query ?? {})}`;
      const answer = first.get(key) ?? client.request(method, path, options);
      first.set(key, answer);
      return answer as Promise<T>;
    },
    patch: (path, body, options) => client.patch(path, body, options),
    stream: (path, options) => client.stream(path, options),
    close: () => undefined,
  };
}

// --- internal ---

async function renewLease(client: KubeClient, node: NodeName): Promise<void> {
  const name = agentLeaseName(node);
  const lease = {
    ...{ apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: { name } },
    spec: { holderIdentity: node, leaseDurationSeconds: 40, renewTime: new Date().toISOString().replace("Z", "000Z") },
  };
  await client.request("DELETE", `${leases}/${name}`).catch(() => undefined);
  await client.request("POST", leases, { body: lease });
}

function useOf(ip: Ip): AddressUse {
  return { ip, kind: "attachment", interface: "eth0", namespace: "host" };
}
