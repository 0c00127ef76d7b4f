import type { Setting } from "../../host/host-settings.ts";
import type { Link, LinkChange } from "../../host/netlink/netlink.ts";
import type { Ip } from "../../net/ip.ts";
import type { Drift } from "./dataplane.ts";

/** The host's end of a pod's interface, as it was wired. */
export interface WorkloadLink {
  readonly hostInterface: string;
  /** Bytes. */
  readonly mtu: number;
  /** The pod's; at least one. */
  readonly addresses: readonly Ip[];
}

/** What is wrong with one link, and what puts it right. */
export interface LinkFault {
  readonly drift: Drift;
  /** The name that the link has now. */
  readonly link: string;
  readonly change: LinkChange;
}

/** What is wrong with one sysctl. */
export interface SettingFault {
  readonly drift: Drift;
  readonly setting: Setting;
}

/**
 * What of the links is not as it was wired: each must be up, of its MTU and of its name. `names` are the names that links were
 * first seen with, by index: a link that goes by another one was renamed. One that is gone went with its pod, and is no fault.
 */
export function linkFaults(
  wanted: ReadonlyMap<string, WorkloadLink>,
  links: readonly Link[],
  names: ReadonlyMap<number, string>,
): readonly LinkFault[] {
  const present = new Set(links.map(({ name }) => name));
  const faults: LinkFault[] = [];
  for (const { index, name, up, mtu } of links) {
    const first = names.get(index) ?? name;
    // Somebody else has the name by now, or it is wanted under its new one: then that is what it is.
    const isRenamed = first !== name && wanted.has(first) && !wanted.has(name) && !present.has(first);
    const target = wanted.get(isRenamed ? first : name);
    if (target === undefined) continue;
    const fault = (difference: string, change: LinkChange): LinkFault => ({
      drift: { part: "links", where: `link ${target.hostInterface}`, difference },
      link: isRenamed ? first : name,
      change,
    });
    if (isRenamed) faults.push({ ...fault(`it is named ${name}`, { name: first }), link: name });
    if (!up) faults.push(fault("it is down", { up: true }));
    if (mtu !== target.mtu) faults.push(fault(`its MTU is ${mtu} and not ${target.mtu}`, { mtu: target.mtu }));
  }
  return faults;
}

/** Which of the settings the kernel does not have so; `read` answers undefined where it has none of that name. */
export function settingFaultsOf(
  settings: readonly Setting[],
  read: (key: string) => string | undefined,
): readonly SettingFault[] {
  return settings.flatMap((setting): readonly SettingFault[] => {
    const { key, value, ifKnown } = setting;
    const found = read(key);
    // A kernel without it has nothing to switch off; or its interface has gone meanwhile.
    if (found === value || (found === undefined && (ifKnown || key.includes("/conf/") || key.includes("/neigh/")))) {
      return [];
    }
    const difference = found === undefined ? "the kernel has no such setting" : `it is ${found} and not ${value}`;
    return [{ drift: { part: "settings", where: `sysctl net/${key}`, difference }, setting }];
  });
}

/** Why workloads cannot send from addresses that are not theirs, though they may, or undefined; `all` as below. */
export function foreignSourcesProblem(all: string | undefined): string | undefined {
  if (all !== "1") return undefined;
  return "net.ipv4.conf.all.rp_filter is 1: the kernel drops what workloads send from other addresses than their own, and 0 is wanted";
}

/**
 * Why workloads could send with addresses of others past the kernel's own check, or undefined. The kernel takes the greater of
 * `all` and the interface's own, so 2 (loose) there cannot be undone here; our own check in raw PREROUTING remains.
 */
export function reversePathProblem(all: string | undefined): string | undefined {
  if (all === undefined || Number(all) <= 1) return undefined;
  return `net.ipv4.conf.all.rp_filter is ${all} (loose): the kernel does not check where packets of workloads come from, and 0 or 1 is wanted`;
}
