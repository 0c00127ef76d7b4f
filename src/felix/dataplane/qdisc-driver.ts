import { type Netlink, NetlinkError } from "../../host/netlink/netlink.ts";
import type { TokenBucket, TrafficControl } from "../../host/netlink/traffic-control.ts";
import type { Shaping } from "../render/desired-state.ts";
import type { ShapingDriver } from "./dataplane.ts";
import { ifbName, ifbPrefix } from "./ifb-name.ts";
import {
  describeQdisc,
  fitToLink,
  isSameBucket,
  type LinkControl,
  type LinkControls,
  ourHandle,
  readControls,
} from "./shaped-links.ts";

export interface QdiscDriverParts {
  readonly netlink: Pick<Netlink, "links" | "link" | "createIfb" | "setLink" | "deleteLink">;
  readonly trafficControl: TrafficControl;
  /** What the names of workload interfaces begin with, and no other interface's. */
  readonly interfacePrefix: string;
  /**
   * An interface is not shaped as it should be, or none when it is "". Told once for each interface and reason, until it is.
   */
  readonly onRefused: (hostInterface: string, error: Error) => void;
}

/**
 * Token buckets for local endpoints:
 *
 *     to the pod     ▶ [tbf ca11:] cali… ▶ pod
 *     from the pod   pod ▶ cali… [ingress ffff: u32 mirred] ▶ [tbf ca11:] bwcali… ▶ as if from cali…
 *
 * Ours are the root of handle `ca11:` and an ingress qdisc that only redirects to `bwcali…`, on interfaces that begin with
 * `interfacePrefix`, and every `bwcali…`. What others have put on an interface is left, and that direction not shaped. The
 * kernel is read only when something is to be done; while nothing is shaped a pass asks it nothing.
 */
export class NetlinkQdiscDriver implements ShapingDriver {
  readonly #parts: QdiscDriverParts;
  /** Every interface on which, or on whose ifb device, this process may have put something. */
  readonly #shaped = new Map<string, Shaped>();
  readonly #told = new Map<string, string>();
  /** The kernel may hold something of ours that is not in `#shaped`. */
  #mayHoldMore = true;

  constructor(parts: QdiscDriverParts) {
    this.#parts = parts;
  }

  async upsert(shapings: ReadonlyMap<string, Shaping>): Promise<void> {
    if (shapings.size === 0) return;
    await this.#tryAll("shape", async () => {
      const changed = await this.#changed(shapings);
      if (changed.length === 0) return;
      const controls = await this.#read();
      for (const [hostInterface, shaping] of changed) {
        const control = controls.get(hostInterface);
        if (control === undefined) continue;
        const done = await this.#try(hostInterface, () => this.#shape(control, shaping, controls));
        if (done) this.#shaped.set(hostInterface, { linkIndex: control.link.index, shaping });
      }
    });
  }

  async prune(shapings: ReadonlyMap<string, Shaping>): Promise<void> {
    const gone = [...this.#shaped.keys()].filter((name) => !shapings.has(name));
    if (!this.#mayHoldMore && gone.length === 0) return;
    await this.#tryAll("unshape", async () => {
      const controls = await this.#read();
      const done: boolean[] = [];
      for (const control of controls.values()) {
        const { name } = control.link;
        if (shapings.has(name) || name.startsWith(ifbPrefix)) continue;
        done.push(await this.#try(name, () => this.#unshape(control)));
      }
      // After the redirects to them: a redirect to a device that is gone drops.
      const used = new Set(
        [...shapings].flatMap(([name, { egress }]) => (egress === undefined ? [] : [ifbName(name)])),
      );
      for (const name of controls.keys()) {
        if (!name.startsWith(ifbPrefix) || used.has(name)) continue;
        done.push(await this.#try(name, () => this.#parts.netlink.deleteLink(name)));
      }
      for (const name of gone) this.#shaped.delete(name);
      this.#mayHoldMore = done.includes(false);
    });
  }

  forget(): void {
    this.#shaped.clear();
    this.#mayHoldMore = true;
  }

  #read(): Promise<LinkControls> {
    const { netlink, trafficControl, interfacePrefix } = this.#parts;
    return readControls(netlink, trafficControl, interfacePrefix);
  }

  /** Those that are not as this process left them: they are asked for anew, or their interface was made anew. */
  async #changed(shapings: ReadonlyMap<string, Shaping>): Promise<readonly (readonly [string, Shaping])[]> {
    const links = new Map((await this.#parts.netlink.links()).map(({ name, index }) => [name, index]));
    const changed: (readonly [string, Shaping])[] = [];
    for (const [hostInterface, shaping] of shapings) {
      const link = links.get(hostInterface);
      const before = this.#shaped.get(hostInterface);
      if (before?.linkIndex === link && isSame(before?.shaping, shaping)) continue;
      this.#shaped.set(hostInterface, unfinished);
      // An interface that is gone has taken its qdiscs with it, and one that is not there yet comes with a later pass.
      if (link !== undefined) changed.push([hostInterface, shaping]);
    }
    return changed;
  }

  async #shape(control: LinkControl, { ingress, egress }: Shaping, controls: LinkControls): Promise<void> {
    // Both directions are tried: one that others have taken must not keep the other from its limit.
    const taken = [
      ...(ingress === undefined ? await this.#openRoot(control) : await this.#shapeRoot(control, ingress)),
      ...(egress === undefined
        ? await this.#openIngress(control)
        : await this.#shapeIngress(control, egress, controls.get(ifbName(control.link.name)))),
    ];
    if (taken.length > 0) throw new Error(`Cannot shape ${control.link.name}: ${taken.join("; ")}`);
  }

  async #unshape(control: LinkControl): Promise<void> {
    await this.#openRoot(control);
    await this.#openIngress(control);
  }

  /** Answers why it cannot be done, if it cannot. */
  async #shapeRoot({ link, root }: LinkControl, wanted: TokenBucket): Promise<readonly string[]> {
    if (root !== undefined && root.handle !== ourHandle) {
      return [`its root qdisc, ${describeQdisc(root)}, is not ours, so traffic to the pod is left as it is`];
    }
    const bucket = fitToLink(wanted, link.mtu);
    if (!isSameBucket(root?.bucket, bucket)) {
      await this.#parts.trafficControl.setTokenBucket(link.index, ourHandle, bucket);
    }
    return [];
  }

  async #openRoot({ link, root }: LinkControl): Promise<readonly string[]> {
    if (root?.handle === ourHandle) await this.#parts.trafficControl.deleteRoot(link.index, ourHandle);
    return [];
  }

  /** As `#shapeRoot`. */
  async #shapeIngress(
    { link, ingress }: LinkControl,
    wanted: TokenBucket,
    found: LinkControl | undefined,
  ): Promise<readonly string[]> {
    if (ingress.kind === "foreign") {
      return [`its ingress has ${ingress.what}, which is not ours, so traffic from the pod is left as it is`];
    }
    const { trafficControl } = this.#parts;
    const ifb = await this.#ensureIfb(ifbName(link.name), link.mtu, found);
    const bucket = fitToLink(wanted, link.mtu);
    if (!isSameBucket(found?.root?.bucket, bucket)) await trafficControl.setTokenBucket(ifb, ourHandle, bucket);
    const stands = ingress.kind === "ours" && ingress.redirectsTo.every((target) => target === ifb);
    if (stands) return [];
    if (ingress.kind === "ours") await trafficControl.deleteIngress(link.index);
    if (ingress.kind === "empty") await trafficControl.addRedirect(link.index, ifb);
    else await trafficControl.redirectIngress(link.index, ifb);
    return [];
  }

  async #openIngress({ link, ingress }: LinkControl): Promise<readonly string[]> {
    if (ingress.kind === "ours") {
      await this.#parts.trafficControl.deleteIngress(link.index);
      await this.#parts.netlink.deleteLink(ifbName(link.name));
    }
    return [];
  }

  /** Answers its index. */
  async #ensureIfb(name: string, mtu: number, found: LinkControl | undefined): Promise<number> {
    const { netlink } = this.#parts;
    if (found === undefined) await netlink.createIfb({ name, mtu, queueLength: QUEUE_LENGTH });
    else if (!found.link.up || found.link.mtu !== mtu) await netlink.setLink(name, { up: true, mtu });
    const index = found?.link.index ?? (await netlink.link(name))?.index;
    if (index === undefined) throw new NetlinkError(`use ${name}`, "ENODEV", "it went as it was made");
    return index;
  }

  /** For what concerns no one interface. */
  #tryAll(key: string, action: () => Promise<void>): Promise<boolean> {
    return this.#try("", action, key);
  }

  /** Answers whether it was done. What fails is told, unless it was already, or its interface has gone meanwhile. */
  async #try(hostInterface: string, action: () => Promise<void>, key = hostInterface): Promise<boolean> {
    try {
      await action();
      this.#told.delete(key);
      return true;
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      if (error instanceof NetlinkError && error.code === "ENODEV") return false;
      if (this.#told.get(key) !== error.message) this.#parts.onRefused(hostInterface, error);
      this.#told.set(key, error.message);
      return false;
    }
  }
}

// --- internal ---

/** The kernel's default for a veth. */
const QUEUE_LENGTH = 1000;

function isSame(a: Shaping | undefined, b: Shaping): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}

interface Shaped {
  readonly linkIndex: number | undefined;
  readonly shaping: Shaping | undefined;
}

const unfinished: Shaped = { linkIndex: undefined, shaping: undefined };
