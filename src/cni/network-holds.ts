import { createHash } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import { type Ip, parseIp } from "../net/ip.ts";
import { messageOf } from "../net/message-of.ts";
import type { CniDependencies } from "./dependencies.ts";
import { isHeld } from "./leases.ts";
import { nodeAttributes } from "./node-attributes.ts";
import { usingNetlink } from "./using-netlink.ts";

/**
 * Addresses held on this node for networks themselves, as their gateways'. Each has a handle of its own, and a file that is written before it is held and goes once it is given back.
 *
 *     ADD    ─▶ using ─▶ lease written ─▶ hold
 *     DEL    ─▶ lease removed
 *     sweep  ─▶ no ADD and no lease of the network, and no interface with the address ─▶ given back
 */
export class NetworkHolds {
  readonly #node: CniDependencies;
  /** How many ADDs of a network are under way. */
  readonly #users = new Map<string, number>();
  /** What is being given back, by network. */
  readonly #sweeps = new Map<string, Promise<void>>();
  /** By handle. */
  #known: Promise<Map<string, Hold>> | undefined;
  /** Handles that this process has seen to hold their address. */
  readonly #held = new Set<string>();
  /** Handles whose trouble has been told. */
  readonly #told = new Set<string>();

  constructor(node: CniDependencies) {
    this.#node = node;
  }

  /** Runs an ADD: nothing of the network is given back meanwhile. Its lease must be written before it holds anything. */
  async using<T>(network: string, action: () => Promise<T>): Promise<T> {
    this.#users.set(network, (this.#users.get(network) ?? 0) + 1);
    try {
      // A sweep that began earlier ends first; none can begin from now on.
      await this.#sweeps.get(network);
      return await action();
    } finally {
      const left = (this.#users.get(network) ?? 1) - 1;
      if (left === 0) this.#users.delete(network);
      else this.#users.set(network, left);
    }
  }

  /** Holds an address for the network; the same again is no error. Only inside `using`. Rejects as `Ipam.assign`. */
  async hold(network: string, ip: Ip, signal: AbortSignal): Promise<void> {
    const node = this.#node;
    const handle = this.#handleOf({ network, ip });
    if (this.#held.has(handle)) return;
    const known = await this.#load();
    // Known before it is written: one whose writing failed may be there nevertheless, for the sweep to remove.
    known.set(handle, { network, ip });
    await node.host.replaceFile(this.#pathOf(handle), JSON.stringify({ network, ip }), 0o600);
    const note = `kept from containers of network ${network}: its gateway's address`;
    const attributes = { ...nodeAttributes(node), note };
    await node.ipam.assign({ handle, v4: 0, v6: 0, addresses: [ip], attributes }, signal);
    this.#held.add(handle);
  }

  /**
   * Gives back what is held for networks that nobody uses on this node any more. What an interface of the node still has is
   * kept, as a bridge keeps its gateway's address when its last container goes. What cannot be given back now is kept for the
   * next sweep, and reported. One sweep may run at a time.
   */
  async sweep(): Promise<void> {
    const known = await this.#load();
    for (const network of new Set([...known.values()].map((one) => one.network))) {
      if (this.#users.has(network)) continue;
      const sweep = this.#sweepOne(network, known).finally(() => this.#sweeps.delete(network));
      // Whoever waits for it only waits for its end.
      this.#sweeps.set(
        network,
        sweep.catch(() => undefined),
      );
      await sweep;
    }
  }

  async #sweepOne(network: string, known: Map<string, Hold>): Promise<void> {
    const { leases, mayLeadToNamespace } = this.#node;
    // An unreadable one may be of this network.
    if ((await leases.listUnreadable()).length > 0) return;
    if ((await leases.list()).some((lease) => lease.network === network && isHeld(lease, mayLeadToNamespace))) return;
    const addresses = await usingNetlink(this.#node, undefined, (netlink) => netlink.addresses());
    const onInterfaces = new Set(addresses.map(({ ip }) => ip));
    for (const [handle, { ip }] of [...known]) {
      if (known.get(handle)?.network !== network || onInterfaces.has(ip)) continue;
      await this.#giveBack(handle, known);
    }
  }

  async #giveBack(handle: string, known: Map<string, Hold>): Promise<void> {
    const { host, ipam, report } = this.#node;
    this.#held.delete(handle);
    try {
      await ipam.release(handle, "last container of its network");
      await host.removeFile(this.#pathOf(handle));
      known.delete(handle);
      this.#told.delete(handle);
    } catch (error) {
      if (!this.#told.has(handle)) {
        report("warn", `Cannot give back ${handle} yet: ${messageOf(error)}; it is kept for later`, { error });
      }
      this.#told.add(handle);
    }
  }

  #load(): Promise<Map<string, Hold>> {
    this.#known ??= this.#readAll().catch((error: unknown) => {
      this.#known = undefined;
      throw error;
    });
    return this.#known;
  }

  async #readAll(): Promise<Map<string, Hold>> {
    const { host, paths, report } = this.#node;
    const found = new Map<string, Hold>();
    for (const name of await host.listFolder(paths.holds)) {
      const path = join(paths.holds, name);
      const text = await host.readFile(path);
      if (text === undefined) continue;
      try {
        const hold = schema.parse(JSON.parse(text));
        found.set(this.#handleOf(hold), hold);
      } catch (error) {
        report("error", `Cannot read the held address in ${path}: it is not one; it stays held. Remove the file`, {
          error,
        });
      }
    }
    return found;
  }

  /** No container's handle has a colon. */
  #handleOf({ network, ip }: Hold): string {
    return `${network}:${this.#node.nodeName}:${ip}`;
  }

  #pathOf(handle: string): string {
    return join(this.#node.paths.holds, `${createHash("sha1").update(handle).digest("hex")}.json`);
  }
}

// --- internal ---

interface Hold {
  readonly network: string;
  readonly ip: Ip;
}

const schema = z.object({ network: z.string(), ip: z.string().transform((ip) => parseIp(ip)) });
