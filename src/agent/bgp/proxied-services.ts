/** Which endpoints kube-proxy's rules lead to, by the address of the Service: for each of its modes, one reader. */
import { variantPrograms } from "../../felix/dataplane/iptables-programs.ts";
import { CommandError, type Host } from "../../host/host.ts";
import type { Nftables } from "../../host/netlink/nftables.ts";
import { type Ip, type IpVersion, ipFromBytes, ipFromNumber, isIp, parseIp } from "../../net/ip.ts";

/** The endpoints that each Service's address leads to. */
export type ProxiedServices = ReadonlyMap<Ip, ReadonlySet<Ip>>;

/**
 * What iptables-save(8) prints of the table nat: from each rule of KUBE-SERVICES for one address, along its jumps, to the
 * addresses of the DNAT rules. Undefined when kube-proxy has no chain there.
 */
export function proxiedByIptables(text: string): ProxiedServices | undefined {
  if (!/^:KUBE-SERVICES /m.test(text)) return undefined;
  const services: { readonly ip: Ip; readonly chain: string }[] = [];
  const chains = new Map<string, { readonly jumps: string[]; readonly endpoints: Ip[] }>();
  for (const line of text.split("\n")) {
    if (!line.startsWith("-A KUBE-")) continue;
    // A comment may say anything.
    const rule = line.replaceAll(/"(?:[^"\\]|\\.)*"/g, "");
    const chain = rule.slice(3, rule.indexOf(" ", 3));
    const target = / -[jg] (KUBE-[A-Z0-9-]+)/.exec(rule)?.[1];
    const destination = / -d ([0-9a-f.:]+)\/(?:32|128) /.exec(rule)?.[1];
    if (chain === "KUBE-SERVICES") {
      if (target !== undefined && destination !== undefined && isIp(destination)) {
        services.push({ ip: parseIp(destination), chain: target });
      }
      continue;
    }
    const known = chains.get(chain) ?? { jumps: [], endpoints: [] };
    chains.set(chain, known);
    if (target !== undefined) known.jumps.push(target);
    const endpoint = / --to-destination \[?([0-9a-f.:]+?)\]?(?::\d+)?(?: |$)/.exec(rule)?.[1];
    if (endpoint !== undefined && isIp(endpoint)) known.endpoints.push(parseIp(endpoint));
  }
  return joined(services.map(({ ip, chain }) => [ip, reachedFrom(chain, chains)]));
}

/**
 * The table `kube-proxy` of mode nftables: the map `service-ips` leads from address, protocol and port to a Service's chain,
 * and the name of an endpoint's chain ends in that Service and the endpoint's address. Undefined when there is no such map.
 */
async function proxiedByNftables(
  nftables: Pick<Nftables, "chains" | "elements" | "tables">,
  version: IpVersion,
): Promise<ProxiedServices | undefined> {
  const table = { version, table: "kube-proxy" } as const;
  if (!(await nftables.tables(version)).includes(table.table)) return undefined;
  const [elements, chains] = await Promise.all([
    nftables.elements({ ...table, set: "service-ips", interval: false }),
    nftables.chains(table),
  ]);
  const endpoints = new Map<string, Ip[]>();
  for (const { name } of chains) {
    const [, service, address = ""] = /^endpoint-[A-Z2-7]{8}-(.+)__([0-9a-f.]+)\/\d+$/.exec(name) ?? [];
    // An IPv6 address has dots in the place of its colons there.
    const text = version === 4 ? address : address.replaceAll(".", ":");
    if (service === undefined || !isIp(text)) continue;
    const known = endpoints.get(service);
    if (known === undefined) endpoints.set(service, [parseIp(text)]);
    else known.push(parseIp(text));
  }
  return joined(
    elements.flatMap(({ key, goto = "" }) => {
      const service = /^(?:service|external|local|firewall)-[A-Z2-7]{8}-(.+)$/.exec(goto)?.[1];
      const ip = ipFromBytes(key.subarray(0, version === 4 ? 4 : 16));
      return service === undefined ? [] : [[ip, endpoints.get(service) ?? []] as const];
    }),
  );
}

/** Of the kernel's IPVS table, as `/proc/net/ip_vs` prints it. Undefined when it holds no virtual server. */
export function proxiedByIpvs(text: string): ProxiedServices | undefined {
  const found: (readonly [Ip, Ip[]])[] = [];
  for (const line of text.split("\n")) {
    const [, virtual] = /^(?:TCP|UDP|SCTP) +(\S+):[0-9A-F]{4} /.exec(line) ?? [];
    const [, real] = /^ {2}-> (\S+):[0-9A-F]{4} /.exec(line) ?? [];
    if (virtual !== undefined) found.push([ipvsAddress(virtual), []]);
    else if (real !== undefined && real !== "RemoteAddress") found.at(-1)?.[1].push(ipvsAddress(real));
  }
  return found.length === 0 ? undefined : joined(found);
}

/**
 * What all modes that are found on the node hold together; undefined when kube-proxy is not there in any of them. Rejects when
 * one cannot be read. Legacy iptables is not asked where it has no table nat, since asking would load its modules.
 */
export async function readProxiedServices({ host, nftables }: ProxySources): Promise<ProxiedServices | undefined> {
  const found = await Promise.all([
    ...([4, 6] as const).flatMap((version) => [
      savedNat(host, variantPrograms.nft[version].save).then(proxiedByIptables),
      savedLegacyNat(host, version).then(proxiedByIptables),
      proxiedByNftables(nftables, version),
    ]),
    host.readFile("/proc/net/ip_vs").then((text) => proxiedByIpvs(text ?? "")),
  ]);
  const there = found.filter((one) => one !== undefined);
  return there.length === 0 ? undefined : joined(there.flatMap((one) => [...one]));
}

/** Where kube-proxy's rules are read from: one network namespace. */
export interface ProxySources {
  readonly host: Pick<Host, "run" | "readFile">;
  readonly nftables: Pick<Nftables, "chains" | "elements" | "tables">;
}

// --- internal ---

const legacyTables = { 4: "/proc/net/ip_tables_names", 6: "/proc/net/ip6_tables_names" } as const;

async function savedLegacyNat(host: ProxySources["host"], version: IpVersion): Promise<string> {
  const tables = (await host.readFile(legacyTables[version])) ?? "";
  return tables.split("\n").includes("nat") ? savedNat(host, variantPrograms.legacy[version].save) : "";
}

/** Empty when there is no such program. */
async function savedNat(host: ProxySources["host"], program: string): Promise<string> {
  try {
    return (await host.run([program, "-t", "nat"])).stdout;
  } catch (error) {
    if (error instanceof CommandError && error.exitCode === undefined && error.message.includes("ENOENT")) return "";
    throw error;
  }
}

function joined(entries: Iterable<readonly [Ip, Iterable<Ip>]>): ProxiedServices {
  const all = new Map<Ip, Set<Ip>>();
  for (const [ip, endpoints] of entries) {
    const known = all.get(ip) ?? new Set();
    for (const endpoint of endpoints) known.add(endpoint);
    all.set(ip, known);
  }
  return all;
}

function reachedFrom(
  first: string,
  chains: ReadonlyMap<string, { readonly jumps: readonly string[]; readonly endpoints: readonly Ip[] }>,
): readonly Ip[] {
  const seen = new Set<string>([first]);
  // A set's order is that of insertion, and what is added meanwhile is visited too.
  for (const name of seen) for (const jump of chains.get(name)?.jumps ?? []) seen.add(jump);
  return [...seen].flatMap((name) => chains.get(name)?.endpoints ?? []);
}

/** `0A600001`, or `[fd00:0000:…]`. */
function ipvsAddress(text: string): Ip {
  return text.startsWith("[") ? parseIp(text.slice(1, -1)) : ipFromNumber(BigInt(`0x${text}`), 4);
}
