import type { Setting } from "../host/host-settings.ts";
import { inNetns } from "../host/netns.ts";
import { codeOf } from "../host/system-error.ts";
import { type Ip, type IpVersion, versionOf } from "../net/ip.ts";
import type { CniDependencies } from "./dependencies.ts";
import type { Wiring } from "./wire.ts";

/**
 * What the pod's end and its namespace must have. Without an IPv6 address only `::1` stays, as programs bind to it. Forwarding
 * is the whole pod's: a further interface may switch it on, and leaves it otherwise.
 */
export function podSettings({
  interfaceName,
  addresses,
  allowIpForwarding,
  isFurther,
}: Pick<Wiring, "interfaceName" | "addresses" | "allowIpForwarding" | "isFurther">): readonly Setting[] {
  const forwarding = (key: string): readonly Setting[] =>
    isFurther && !allowIpForwarding ? [] : [{ key, value: allowIpForwarding ? "1" : "0" }];
  const v4 = forwarding("ipv4/ip_forward");
  const v6: readonly Setting[] = [
    { key: `ipv6/conf/${interfaceName}/disable_ipv6`, value: "0" },
    { key: `ipv6/conf/${interfaceName}/accept_dad`, value: "0" },
    ...forwarding("ipv6/conf/all/forwarding"),
  ];
  const noV6: readonly Setting[] = [{ key: `ipv6/conf/${interfaceName}/disable_ipv6`, value: "1", ifKnown: true }];
  return [...(has(addresses, 4) ? v4 : []), ...(has(addresses, 6) ? v6 : noV6)];
}

/** Writes settings in the namespace at `netns` (the node's own when undefined). Throws a `SystemError` at the first one refused. */
export function applySettings(settings: readonly Setting[], netns: string | undefined, node: CniDependencies): void {
  const apply = () => {
    for (const setting of settings) applySetting(setting, netns, node);
  };
  // One way there and back instead of one for each.
  if (netns === undefined) apply();
  else inNetns(netns, apply);
}

/** A sentence for each setting in the namespace at `netns` (the node's own when undefined) that is not as it should be. */
export function settingFaults(
  settings: readonly Setting[],
  netns: string | undefined,
  node: CniDependencies,
): readonly string[] {
  const whose = netns === undefined ? "" : "the pod's ";
  return settings.flatMap(({ key, value, ifKnown }) => {
    const found = node.readSysctl(netns, key);
    return found === value || (ifKnown && found === undefined) ? [] : [`${whose}sysctl net/${key} is not ${value}`];
  });
}

// --- internal ---

function applySetting({ key, value, ifKnown }: Setting, netns: string | undefined, node: CniDependencies): void {
  try {
    node.writeSysctl(netns, key, value);
  } catch (error) {
    if (!ifKnown || codeOf(error) !== "ENOENT") throw error;
  }
}

function has(addresses: readonly Ip[], version: IpVersion): boolean {
  return addresses.some((ip) => versionOf(ip) === version);
}
