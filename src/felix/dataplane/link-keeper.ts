import { setImmediate as nextTurn } from "node:timers/promises";
import { hostSettings, type Setting } from "../../host/host-settings.ts";
import type { KernelEvent } from "../../host/netlink/kernel-event.ts";
import { type Netlink, NetlinkError } from "../../host/netlink/netlink.ts";
import { codeOf } from "../../host/system-error.ts";
import { versionOf } from "../../net/ip.ts";
import type { Drift, DriftPart } from "./dataplane.ts";
import { type LinkFault, linkFaults, type SettingFault, settingFaultsOf, type WorkloadLink } from "./link-faults.ts";
import type { Prover } from "./sentinel.ts";

/** What a keeper of links works with. */
export interface LinkKeeperParts {
  readonly netlink: Pick<Netlink, "links" | "setLink">;
  /** What the names of workload interfaces begin with. */
  readonly interfacePrefix: string;
  /** The workload interfaces that are wired to the end, by name. */
  readonly wanted: () => ReadonlyMap<string, WorkloadLink>;
  /** The node's own settings, such as those of `forwardingSettings`. */
  readonly nodeSettings: () => readonly Setting[];
  /** Of the node's namespace; keys as `readSysctl` takes them. */
  readonly readSetting: (key: string) => string | undefined;
  readonly writeSetting: (key: string, value: string) => void;
}

/**
 * Keeps the host's ends of the pods' interfaces as they were wired: name, MTU, up, and their sysctls (of which `rp_filter` is the
 * default that was found at first, or 0 for those that `leaveUnchecked` names, as upstream has it); and the node's own sysctls. It
 * changes what a proof has found, and what is wanted otherwise than before.
 */
export class LinkKeeper implements Prover {
  readonly parts: ReadonlySet<DriftPart> = new Set(["links", "settings"]);
  readonly #parts: LinkKeeperParts;
  readonly #rpFilter: string | undefined;
  /** Whose workloads may send from addresses that are not theirs. */
  #unchecked: ReadonlySet<string> = new Set();
  /** The names that links were first seen with, by index. */
  readonly #names = new Map<number, string>();
  #linkFaults: readonly LinkFault[] = [];
  #settingFaults: readonly SettingFault[] = [];

  constructor(parts: LinkKeeperParts) {
    this.#parts = parts;
    this.#rpFilter = parts.readSetting("ipv4/conf/default/rp_filter");
  }

  async drift(parts: ReadonlySet<DriftPart>): Promise<readonly Drift[]> {
    const wanted = this.#parts.wanted();
    if (parts.has("links")) this.#linkFaults = await this.#lookAtLinks(wanted);
    if (parts.has("settings")) this.#settingFaults = await this.#lookAtSettings(wanted);
    return [...this.#linkFaults, ...this.#settingFaults].map(({ drift }) => drift);
  }

  async repair(): Promise<void> {
    const linkFaults = this.#linkFaults;
    const settingFaults = this.#settingFaults;
    this.#linkFaults = [];
    this.#settingFaults = [];
    for (const { link, change } of linkFaults) await this.#change(link, change);
    for (const { setting } of settingFaults) this.#set(setting);
  }

  /**
   * The kernel does not check by itself from where the workloads behind these interfaces send, and from now on behind no others. Only
   * what changes is written, and what is proven follows. Throws a `SystemError` when the kernel refuses.
   */
  leaveUnchecked(hostInterfaces: ReadonlySet<string>): void {
    const changed = this.#unchecked.symmetricDifference(hostInterfaces);
    this.#unchecked = hostInterfaces;
    if (changed.size === 0) return;
    const wanted = this.#parts.wanted();
    for (const name of changed) {
      const link = wanted.get(name);
      for (const setting of link === undefined ? [] : this.#reversePath(link)) this.#set(setting);
    }
  }

  /** Brings the node's own settings to what they are to be by now, which is no drift. Throws when one cannot be read or written. */
  setNode(): void {
    const { nodeSettings, readSetting } = this.#parts;
    // Only what differs: turning forwarding on makes the kernel set other settings of every interface anew.
    for (const { setting } of settingFaultsOf(nodeSettings(), readSetting)) this.#set(setting);
  }

  /** Whether the event is about one of the links, and more than a new link's coming up. To be told of every one. */
  concerns(event: KernelEvent & { readonly kind: "link" }): boolean {
    const { index, name, verb, up, mtu } = event;
    const first = this.#names.get(index);
    if (verb === "gone") this.#names.delete(index);
    else if (first === undefined) this.#see(index, name);
    const link = this.#parts.wanted().get(first ?? name);
    if (link === undefined) return false;
    // A link that comes under the name of one that was wired: it was made anew.
    return first === undefined || verb === "gone" || name !== first || !up || mtu !== link.mtu;
  }

  /** Whether a link of this index is a workload's. */
  isWorkload(index: number | undefined): boolean {
    return index !== undefined && this.#names.has(index);
  }

  #see(index: number, name: string): void {
    if (name.startsWith(this.#parts.interfacePrefix)) this.#names.set(index, name);
  }

  async #lookAtLinks(wanted: ReadonlyMap<string, WorkloadLink>): Promise<readonly LinkFault[]> {
    const links = await this.#parts.netlink.links();
    const faults = linkFaults(wanted, links, this.#names);
    const present = new Set(links.map(({ index }) => index));
    // The end of some may not have been told.
    for (const index of this.#names.keys()) if (!present.has(index)) this.#names.delete(index);
    for (const { index, name } of links) if (!this.#names.has(index)) this.#see(index, name);
    return faults;
  }

  async #lookAtSettings(wanted: ReadonlyMap<string, WorkloadLink>): Promise<readonly SettingFault[]> {
    const { nodeSettings, readSetting } = this.#parts;
    // The node's come first: to switch forwarding on there is to switch it on everywhere.
    const faults = [...settingFaultsOf(nodeSettings(), readSetting)];
    let count = 0;
    for (const link of wanted.values()) {
      if (++count % LINKS_AT_ONCE === 0) await nextTurn();
      faults.push(...settingFaultsOf(this.#settingsOf(link), readSetting));
    }
    return faults;
  }

  #settingsOf(link: WorkloadLink): readonly Setting[] {
    return [...hostSettings(link), ...this.#reversePath(link)];
  }

  #reversePath({ hostInterface, addresses }: WorkloadLink): readonly Setting[] {
    const value = this.#unchecked.has(hostInterface) ? "0" : rpFilterValues.find((one) => one === this.#rpFilter);
    if (value === undefined || !addresses.some((ip) => versionOf(ip) === 4)) return [];
    return [{ key: `ipv4/conf/${hostInterface}/rp_filter`, value }];
  }

  async #change(link: string, change: LinkFault["change"]): Promise<void> {
    const { netlink } = this.#parts;
    try {
      await netlink.setLink(link, change);
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error;
      // It went with its pod.
      if (error.code === "ENODEV") return;
      if (error.code !== "EBUSY" || change.name === undefined) throw error;
      await netlink.setLink(link, { up: false });
      await netlink.setLink(link, change);
      await netlink.setLink(change.name, { up: true });
    }
  }

  #set({ key, value }: Setting): void {
    try {
      this.#parts.writeSetting(key, value);
    } catch (error) {
      // It went with its interface.
      if (codeOf(error) !== "ENOENT") throw error;
    }
  }
}

// --- internal ---

const LINKS_AT_ONCE = 20;
const rpFilterValues = ["0", "1", "2"] as const;
