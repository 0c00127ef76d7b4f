import { type Ip, type IpVersion, versionOf } from "../net/ip.ts";

/** One kernel setting of an interface or a namespace. */
export interface Setting {
  /** As `writeSysctl` takes it. */
  readonly key: string;
  readonly value: "0" | "1" | "2";
  /** It only switches something off: a kernel without the key has nothing to switch off. */
  readonly ifKnown?: true;
}

/**
 * What the host's end must have before it comes up: the kernel must not solicit, advertise or detect duplicates on it first.
 * A pod may not tell its node how to route: advertisements (RFC 4861) and redirects of it are not listened to, and without
 * an IPv6 address the interface speaks no IPv6 at all.
 */
export function hostSettings({
  hostInterface,
  addresses,
}: {
  readonly hostInterface: string;
  readonly addresses: readonly Ip[];
}): readonly Setting[] {
  const v4: readonly Setting[] = [
    { key: `ipv4/conf/${hostInterface}/route_localnet`, value: "1" },
    { key: `ipv4/neigh/${hostInterface}/proxy_delay`, value: "0" },
    { key: `ipv4/conf/${hostInterface}/proxy_arp`, value: "1" },
    { key: `ipv4/conf/${hostInterface}/forwarding`, value: "1" },
  ];
  const v6: readonly Setting[] = [
    { key: `ipv6/conf/${hostInterface}/accept_ra`, value: "0" },
    { key: `ipv6/conf/${hostInterface}/accept_redirects`, value: "0" },
    { key: `ipv6/conf/${hostInterface}/disable_ipv6`, value: "0" },
    { key: `ipv6/conf/${hostInterface}/accept_dad`, value: "0" },
    { key: `ipv6/conf/${hostInterface}/proxy_ndp`, value: "1" },
    { key: `ipv6/conf/${hostInterface}/forwarding`, value: "1" },
  ];
  const noV6: readonly Setting[] = [
    { key: `ipv6/conf/${hostInterface}/accept_ra`, value: "0", ifKnown: true },
    { key: `ipv6/conf/${hostInterface}/disable_ipv6`, value: "1", ifKnown: true },
  ];
  return [...(has(addresses, 4) ? v4 : []), ...(has(addresses, 6) ? v6 : noV6)];
}

/** What the node itself needs so that it passes packets on; `all` also switches every interface on. */
export function forwardingSettings(versions: ReadonlySet<IpVersion>): readonly Setting[] {
  const v6: readonly Setting[] = versions.has(6) ? [{ key: "ipv6/conf/all/forwarding", value: "1" }] : [];
  return [{ key: "ipv4/ip_forward", value: "1" }, ...v6];
}

// --- internal ---

function has(addresses: readonly Ip[], version: IpVersion): boolean {
  return addresses.some((ip) => versionOf(ip) === version);
}
