import { attachmentKey } from "../api/objects.ts";
import { CniError, cniCode } from "./cni-error.ts";
import { doAll } from "./do-all.ts";
import type { Gate } from "./gate.ts";
import { endLease, leaseAddresses } from "./lease-addresses.ts";
import { formatLease, leaseRoutes } from "./lease-result.ts";
import type { Lease } from "./leases.ts";
import { type DelegatedConf, parseDelegatedConf, parseNetworkName } from "./net-conf.ts";
import type { NodeState } from "./node-state.ts";
import {
  type ArguedTarget,
  parseArguedTarget,
  parseTarget,
  type RawRequest,
  type Target,
  type Verb,
} from "./request.ts";
import { announcedAddresses } from "./result.ts";
import { type Role, requireVersion } from "./role.ts";
import { unlisted } from "./valid-attachments.ts";

/**
 * `calico-ipam`: addresses alone, for containers that another main plugin wires (CNI specification section 4, "Delegated
 * Plugins"). `calico` does not call it: it has its addresses by a shorter way.
 */
export class IpamPlugin implements Role {
  readonly #state: NodeState;
  readonly #gate: Gate;

  constructor(state: NodeState, gate: Gate) {
    this.#state = state;
    this.#gate = gate;
  }

  async add(request: RawRequest, hangUp: AbortSignal): Promise<string> {
    const conf = this.#confOf(request, "ADD");
    const target = parseArguedTarget(request);
    const routes = leaseRoutes(conf.ipam.routes);
    return this.#gate.add(`container ${target.containerId}`, hangUp, async (signal) => {
      const addresses = await this.#gate.aloneInContainer(target.containerId, async () => {
        await this.#undoOpen(target);
        return leaseAddresses({ conf, target, raw: request }, this.#state, signal);
      });
      return formatLease(addresses, routes, conf.cniVersion);
    });
  }

  async del(request: RawRequest): Promise<string> {
    await this.#gate.aloneInContainer(parseTarget(request).containerId, () => this.#takeAway(request, "DEL"));
    return "";
  }

  async undo(request: RawRequest): Promise<void> {
    const target = parseTarget(request);
    await this.#gate.aloneInContainer(target.containerId, () => this.#undoOpen(target));
  }

  /** Proves that the lease stands, and that the main plugin goes by it. */
  async check(request: RawRequest): Promise<string> {
    const conf = this.#confOf(request, "CHECK");
    const target = parseArguedTarget(request);
    await this.#gate.aloneInContainer(target.containerId, () => this.#requireLease(conf, target));
    return "";
  }

  async status(request: RawRequest): Promise<string> {
    this.#confOf(request, "STATUS");
    this.#gate.requireReady();
    return "";
  }

  /** Ends the leases of this network that are of none of the attachments that the runtime lists as valid. */
  async gc(request: RawRequest): Promise<string> {
    const conf = this.#confOf(request, "GC");
    const stale = unlisted(await this.#state.node.leases.list(), conf);
    const endOf = (lease: Lease) => () => endLease(conf.name, lease, this.#state, "GC by the runtime");
    await doAll(stale.map((lease) => () => this.#gate.aloneInContainer(lease.containerId, endOf(lease))));
    return "";
  }

  /** Before an ADD of the same interface too: what it is given must not be taken for the rest of the earlier one. */
  async #undoOpen(target: Target): Promise<void> {
    const interrupted = await this.#state.intents.find(attachmentKey(target));
    if (interrupted !== undefined) await this.#takeAway(interrupted, "failed ADD");
  }

  async #takeAway(request: RawRequest, why: "DEL" | "failed ADD"): Promise<void> {
    const target = parseTarget(request);
    await endLease(parseNetworkName(request.stdin), target, this.#state, why);
    await this.#state.intents.end(attachmentKey(target));
  }

  async #requireLease(conf: DelegatedConf, target: ArguedTarget): Promise<void> {
    if (conf.prevResult === undefined) {
      throw new CniError(cniCode.invalidConfiguration, "Cannot check: the configuration has no prevResult");
    }
    const lease = await this.#state.node.leases.get(attachmentKey(target));
    const announced = announcedAddresses(conf.prevResult["ips"]);
    const faults =
      lease === undefined || lease.network !== conf.name || lease.addresses.length === 0
        ? [`this node has given it no address of network ${conf.name}`]
        : lease.addresses.filter(({ ip }) => !announced.includes(ip)).map(({ ip }) => `prevResult does not have ${ip}`);
    if (faults.length === 0) return;
    const { interfaceName, containerId } = target;
    const sentence = `Cannot confirm the addresses of ${interfaceName} of container ${containerId}: ${faults.join("; ")}`;
    throw new CniError(cniCode.checkFailed, sentence);
  }

  #confOf(request: RawRequest, verb: Verb): DelegatedConf {
    const conf = parseDelegatedConf(request.stdin, this.#state.node.nodeName);
    requireVersion(verb, conf.cniVersion);
    return conf;
  }
}
