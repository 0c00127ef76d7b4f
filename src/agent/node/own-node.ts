import type { NodeName } from "../../api/names.ts";
import type { KindName, Snapshot } from "../../api/snapshot.ts";
import { addressOf } from "../../bgp/plan/node-address.ts";
import type { Netlink } from "../../host/netlink/netlink.ts";
import type { KubeClient } from "../../kube/client.ts";
import { annotateNode, setNetworkCondition } from "../../kube/node-status.ts";
import type { Clock } from "../../net/clock.ts";
import type { Logger } from "../logger.ts";
import { addressSettings } from "./address-settings.ts";
import { NodeAddresses } from "./node-addresses.ts";
import { NodeWriter } from "./node-writer.ts";

export interface OwnNodeParts {
  readonly node: NodeName;
  readonly snapshot: Snapshot;
  readonly client: KubeClient;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The routing netlink of the node's own namespace, to be closed. */
  readonly openNetlink: () => Netlink;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What this agent says on its node's own Node object: the addresses of its BGP, how far its BGP is, and that its network stands. */
export class OwnNode {
  readonly #writer: NodeWriter;
  readonly #addresses: NodeAddresses;

  constructor({ node, snapshot, client, environment, openNetlink, clock, logger }: OwnNodeParts) {
    this.#writer = new NodeWriter({
      ...{ node, nodes: snapshot.node, clock, logger },
      annotate: (annotations, signal) => annotateNode(client, node, annotations, signal),
      setCondition: (condition, signal) => {
        const now = new Date(clock.now()).toISOString().replace(/\.\d+Z$/, "Z");
        return setNetworkCondition(client, node, condition, { now, signal });
      },
    });
    this.#addresses = new NodeAddresses({
      ...{ node, nodes: snapshot.node, openNetlink, addressOf, clock, logger },
      settings: addressSettings(environment),
      annotate: (name, value, how) => this.#writer.annotate(name, value, how),
    });
  }

  /** The Node is known. Resolves once its addresses have been looked for. */
  start(): Promise<void> {
    return this.#addresses.start();
  }

  /** Some kinds changed. */
  touched(kinds: ReadonlySet<KindName>): void {
    if (kinds.has("node")) this.#writer.touched();
  }

  /** Pods can be reached from here on; said as upstream says it. */
  ready(): void {
    const message = "Calico is running on this node";
    this.#writer.setNetworkCondition({ isUnavailable: false, reason: "CalicoIsUp", message });
  }

  /** As `NodeWriter.annotate`. */
  annotate(name: string, value: string | undefined): void {
    this.#writer.annotate(name, value);
  }

  async stop(): Promise<void> {
    this.#addresses.stop();
    await this.#writer.stop();
  }
}
