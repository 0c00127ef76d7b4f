import { setTimeout as sleep } from "node:timers/promises";
import type { Lab } from "../../../lab/cluster.ts";
import { systemClock } from "../../../src/host/clock.ts";
import { type KubeClient, KubeError, KubeUnreachableError } from "../../../src/kube/client.ts";
import { connect } from "../../../src/kube/kubeconfig.ts";
import type { Chronicle } from "./chronicle.ts";
import { extraPolicy, randomNet, randomRules } from "./extra-policies.ts";
import { nameOf, namespace, podObject, roles, type SteadyPolicy, steadyPolicies, steadyPolicy } from "./objects.ts";
import { between, oneOf, type Random } from "./random.ts";

/** How much has been changed. */
export interface Changes {
  /** Requests that the API server has carried out, those below with them. */
  readonly all: number;
  readonly podsMade: number;
  readonly podsDeleted: number;
  /** Requests without an answer, or about what is gone. */
  readonly vain: number;
}

interface Write {
  readonly method: "apply" | "merge" | "DELETE";
  readonly path: string;
  readonly body?: object;
}

/** Changes policies, labels, pods and endpoints without pause, never what the watched traffic may do. */
export class Churn {
  readonly #nodes: readonly string[];
  readonly #chronicle: Chronicle;
  readonly #random: Random;
  readonly #client: KubeClient;
  readonly #guests = new Set<string>();
  readonly #extras = new Set<string>();
  #made = 0;
  #done: Changes = { all: 0, podsMade: 0, podsDeleted: 0, vain: 0 };

  private constructor(lab: Lab, client: KubeClient, { chronicle, random }: ChurnParts) {
    this.#nodes = lab.layout.nodes.map(({ name }) => name);
    this.#client = client;
    this.#chronicle = chronicle;
    this.#random = random;
  }

  static async of(lab: Lab, parts: ChurnParts): Promise<Churn> {
    return new Churn(lab, await connect({ kubeconfig: lab.kubeconfig, clock: systemClock }), parts);
  }

  get done(): Changes {
    return this.#done;
  }

  /** Resolves after `signal` aborted, when what it has made is gone. Rejects when the API server refuses a change. */
  async go(signal: AbortSignal): Promise<void> {
    const turns = [
      ...[() => this.#editSteady(), () => this.#flipWatched(), () => this.#putExtra(), () => this.#flipGuest()],
      ...[() => this.#editSteady(), () => this.#deleteExtra(), () => this.#flipNamespace(), () => this.#putNetworks()],
      ...[() => this.#putExtra(), () => this.#flipGuest(), () => this.#changeGuests()],
    ];
    try {
      while (!signal.aborted) {
        await oneOf(turns, this.#random)();
        await sleep(between(20, 200, this.#random));
      }
      for (const name of this.#guests) await this.#deleteGuest(name);
    } finally {
      this.#client.close();
    }
  }

  #editSteady(): Promise<boolean> {
    const name: SteadyPolicy = oneOf(steadyPolicies, this.#random);
    const direction = name === "servers" ? "from" : "to";
    const rules = () => randomRules(direction, this.#random);
    return this.#apply(`edit policy ${name}`, {
      method: "apply",
      path: `${policies}/${name}`,
      body: steadyPolicy(name, rules(), rules()),
    });
  }

  async #putExtra(): Promise<void> {
    const number = Math.floor(this.#random() * mostExtras);
    const { path, object } = extraPolicy(number, this.#random);
    if (await this.#apply(`put policy ${path}`, { method: "apply", path, body: object })) this.#extras.add(path);
  }

  async #deleteExtra(): Promise<void> {
    const path = oneOf([...this.#extras, undefined], this.#random);
    if (path === undefined) return;
    if (await this.#apply(`delete policy ${path}`, { method: "DELETE", path })) this.#extras.delete(path);
  }

  #flipWatched(): Promise<boolean> {
    const name = nameOf(oneOf(roles, this.#random), oneOf(this.#nodes, this.#random));
    return this.#label(name, { tint: oneOf(tints, this.#random), serve: oneOf(["yes", "no"], this.#random) });
  }

  async #flipGuest(): Promise<void> {
    const name = oneOf([...this.#guests, undefined], this.#random);
    if (name === undefined) return;
    await this.#label(name, {
      ...{ role: oneOf(["guest", "none"], this.#random), serve: oneOf(["yes", "no"], this.#random) },
      tint: oneOf(tints, this.#random),
    });
  }

  #flipNamespace(): Promise<boolean> {
    const labels = { tint: oneOf(tints, this.#random) };
    return this.#apply(`label the namespace ${labels.tint}`, {
      method: "merge",
      path: `/api/v1/namespaces/${namespace}`,
      body: { metadata: { labels } },
    });
  }

  #putNetworks(): Promise<boolean> {
    const count = Math.floor(between(1, 20, this.#random));
    const nets = [...new Set(Array.from({ length: count }, () => randomNet(this.#random)))];
    const metadata = { name: "churned", labels: { nets: oneOf(tints, this.#random) } };
    return this.#apply("put the network set", {
      method: "apply",
      path: `${calico}/globalnetworksets/churned`,
      body: { ...head, kind: "GlobalNetworkSet", metadata, spec: { nets } },
    });
  }

  async #changeGuests(): Promise<void> {
    if (this.#guests.size >= mostGuests || (this.#guests.size > 0 && this.#random() < 0.4))
      return this.#deleteGuest(oneOf([...this.#guests], this.#random));
    const name = `guest-${++this.#made}`;
    const labels = { app: "guest", role: oneOf(["guest", "none"], this.#random), serve: "yes", tint: "none" };
    const body = podObject(name, oneOf(this.#nodes, this.#random), labels);
    if (!(await this.#apply(`make pod ${name}`, { method: "apply", path: `${pods}/${name}`, body }))) return;
    this.#guests.add(name);
    this.#done = { ...this.#done, podsMade: this.#done.podsMade + 1 };
  }

  async #deleteGuest(name: string): Promise<void> {
    if (!(await this.#apply(`delete pod ${name}`, { method: "DELETE", path: `${pods}/${name}` }))) return;
    this.#guests.delete(name);
    this.#done = { ...this.#done, podsDeleted: this.#done.podsDeleted + 1 };
  }

  #label(name: string, labels: Readonly<Record<string, string>>): Promise<boolean> {
    const body = { metadata: { labels } };
    return this.#apply(`label pod ${name} ${Object.values(labels)}`, {
      method: "merge",
      path: `${pods}/${name}`,
      body,
    });
  }

  /** False when there was no answer, or what it is about is not there. */
  async #apply(deed: string, { method, path, body }: Write): Promise<boolean> {
    try {
      if (method === "DELETE") await this.#client.request("DELETE", path);
      else await this.#client.patch(path, body, { type: method, query: method === "apply" ? applyQuery : {} });
    } catch (cause) {
      const isExpected = cause instanceof KubeUnreachableError || (cause instanceof KubeError && cause.status === 404);
      if (!isExpected) throw cause;
      this.#done = { ...this.#done, vain: this.#done.vain + 1 };
      return false;
    }
    this.#chronicle.add(deed);
    this.#done = { ...this.#done, all: this.#done.all + 1 };
    return true;
  }
}

/** Whom it tells, and its chance. */
export interface ChurnParts {
  readonly chronicle: Chronicle;
  readonly random: Random;
}

// --- internal ---

const mostExtras = 12;
const mostGuests = 4;
const tints = ["red", "blue", "none"] as const;
const pods = `/api/v1/namespaces/${namespace}/pods`;
const policies = `/apis/networking.k8s.io/v1/namespaces/${namespace}/networkpolicies`;
const calico = "/apis/projectcalico.org/v3";
const head = { apiVersion: "projectcalico.org/v3" };
const applyQuery = { fieldManager: "kubectl", force: true };
