import {
  kubeControllersConfigurationKind,
  leaseKind,
  nodeKind,
  podKind,
  resourcePath,
} from "../../../src/api/kinds.ts";
import { systemNamespace } from "../../../src/api/names.ts";
import { agentLeaseName } from "../../../src/api/node-query.ts";
import type { Snapshot } from "../../../src/api/snapshot.ts";
import { IpamGcController } from "../../../src/controllers/ipam-gc/ipam-gc-controller.ts";
import type { AddressRelease, BlockRelease } from "../../../src/ipam/reclaimer.ts";
import { type KubeClient, KubeError } from "../../../src/kube/client.ts";
import { type Ip, parseIp } from "../../../src/net/ip.ts";
import { testClock } from "../../fakes/test-clock.ts";
import { blockOf, heldBy, nodeName } from "./ipam-gc-objects.ts";

export const graceMs = 60_000;

/** A block of one address for each of these pods, in order. */
export const block = (...pods: string[]) =>
  blockOf(
    "10.0.0.0/26",
    pods.map((pod) => heldBy(pod)),
  );

/** The status of the configuration. */
export interface Held {
  readonly heldRelease?: { readonly id: string; readonly count: number; readonly addresses?: readonly object[] };
  readonly conditions?: readonly unknown[];
}

export type Thing = "pod" | "pods" | "node" | "lease" | "configuration";

const paths: Readonly<Record<Thing, string>> = {
  pod: resourcePath(podKind, { namespace: "shop", name: "a" }),
  pods: resourcePath(podKind),
  node: resourcePath(nodeKind, { name: "node-1" }),
  lease: resourcePath(leaseKind, { namespace: systemNamespace, name: agentLeaseName(nodeName("node-1")) }),
  configuration: resourcePath(kubeControllersConfigurationKind, { name: "default" }),
};

/** Garbage collection over a watch cache, an API server that knows better, and one agent. */
export class World {
  readonly clock = testClock();
  readonly released: AddressRelease[] = [];
  readonly patches: string[] = [];
  readonly events: string[] = [];
  readonly freed: string[] = [];
  outcome: "released" | "changed" = "released";
  /** How many addresses of a release are answered before it fails. */
  answered = Number.POSITIVE_INFINITY;
  readonly blocksReleased: BlockRelease[] = [];
  /** By the reclaimer's methods, what they were given last. */
  readonly signals = new Map<string, AbortSignal | undefined>();
  /** By node; a node that is absent does not answer. */
  readonly uses = new Map<string, readonly string[]>([["node-1", []]]);
  readonly asked: (readonly [node: string, ips: readonly Ip[]])[] = [];
  readonly read: string[] = [];
  readonly configuration = {
    metadata: { name: "default", resourceVersion: "1", annotations: {} as Record<string, string> },
    status: {} as unknown,
  };
  readonly settings = {
    graceMs: graceMs as number | undefined,
    set: (ms: number | undefined) => {
      this.settings.graceMs = ms;
    },
  };
  /** The answer to each write of the configuration. */
  refused: Error | undefined;
  onAsk: () => void = () => {};
  onRelease: () => void = () => {};
  onTidy: () => void = () => {};
  readonly logged: string[] = [];
  controller: IpamGcController;
  readonly #snapshot: Snapshot;
  readonly #objects = new Map<string, unknown>([
    [paths.node, { metadata: { name: "node-1" }, status: {} }],
    [paths.configuration, this.configuration],
  ]);

  constructor(snapshot: Snapshot) {
    this.#snapshot = snapshot;
    this.controller = this.#make();
  }

  restart(): void {
    this.controller = this.#make();
  }

  /** What the watch cache holds from now on. */
  show(snapshot: Snapshot): void {
    Object.assign(this.#snapshot, snapshot);
  }

  /** `json`: an Error is thrown, a function asked at each request. */
  put(thing: Thing, json: unknown): void {
    this.#objects.set(paths[thing], json);
  }

  remove(thing: Thing): void {
    this.#objects.delete(paths[thing]);
  }

  pass(): Promise<void> {
    return this.controller.pass(new AbortController().signal);
  }

  passAfter(ms: number): Promise<void> {
    this.clock.pass(ms);
    return this.pass();
  }

  /** Lets what looks leaked look so for its grace period. */
  async ripen(): Promise<void> {
    await this.pass();
    await this.passAfter(graceMs);
  }

  #make(): IpamGcController {
    return new IpamGcController({
      client: { request: this.#request, patch: this.#patch } as unknown as KubeClient,
      snapshot: this.#snapshot,
      clock: this.clock,
      logger: {
        debug() {},
        info: (_facts: unknown, message?: string) => void this.logged.push(`${message}`),
        warn() {},
        error() {},
      },
      events: { record: (_subject, _type, reason) => void this.events.push(reason) },
      agents: {
        policiesInForce: () => Promise.reject(new Error("Cannot tell: garbage collection does not ask")),
        bgp: () => Promise.reject(new Error("Cannot tell: garbage collection does not ask")),
        probeBgp: () => Promise.reject(new Error("Cannot tell: garbage collection does not ask")),
        addressesInUse: async (node, asked = []) => {
          this.onAsk();
          this.asked.push([node, asked]);
          const ips = this.uses.get(node);
          if (ips === undefined) throw new Error("no answer");
          return ips
            .filter((ip) => asked.includes(parseIp(ip)))
            .map((ip) => ({
              ...{ ip: parseIp(ip), kind: "interface", interface: "eth0", namespace: "host" },
            })) as never;
        },
      },
      reclaimer: {
        releaseAddresses: async (releases, signal, onAnswers) => {
          this.signals.set("releaseAddresses", signal);
          this.onRelease();
          this.released.push(...releases);
          const answers = releases.map(({ ip }) => ({ ip, outcome: this.outcome }));
          onAnswers?.(answers.slice(0, this.answered));
          if (this.answered < answers.length) throw new Error("the next block's write failed");
          return answers;
        },
        releaseBlock: async (release, signal) => {
          this.signals.set("releaseBlock", signal);
          this.blocksReleased.push(release);
          return "kept";
        },
        deleteOrphan: async (_cidr, signal) => {
          this.signals.set("deleteOrphan", signal);
          this.onTidy();
          return "kept";
        },
        repairHandles: async (_handles, signal) => {
          this.signals.set("repairHandles", signal);
        },
        endCooldowns: async (_cidr, signal) => {
          this.signals.set("endCooldowns", signal);
        },
      },
      settings: () => ({ leakGraceMs: this.settings.graceMs, reconcilerMs: graceMs }),
      onFreed: (freed) => void this.freed.push(...freed.map(({ ip }) => ip)),
    });
  }

  #request = async (_method: string, path: string): Promise<unknown> => {
    this.read.push(path);
    const found = this.#objects.get(path);
    if (found instanceof Error) throw found;
    if (typeof found === "function") return found();
    if (found === undefined) throw new KubeError(`read ${path}`, 404, "NotFound", "not found");
    return found;
  };

  #patch = async (
    path: string,
    body: { readonly status?: unknown; readonly metadata: { readonly resourceVersion?: string } },
  ): Promise<void> => {
    this.patches.push(path);
    if (this.refused !== undefined) throw this.refused;
    const { metadata } = this.configuration;
    if (![undefined, metadata.resourceVersion].includes(body.metadata.resourceVersion)) {
      throw new KubeError(`patch ${path}`, 409, "Conflict", "the object has been modified");
    }
    if (path.endsWith("/status")) this.configuration.status = body.status;
    else metadata.annotations = {};
    metadata.resourceVersion += "0";
  };
}
