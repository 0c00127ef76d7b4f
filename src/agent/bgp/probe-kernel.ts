import type { BgpConnection, SessionProbe } from "../../api/bgp-probe.ts";
import { CommandError, type Host } from "../../host/host.ts";
import { type Ip, isIp, parseIp } from "../../net/ip.ts";

/** The interfaces of this node with their addresses, as `ip` tells them. */
export interface Interface {
  readonly ifname: string;
  readonly mtu: number;
  readonly flags: readonly string[];
  readonly address?: string;
  readonly addr_info: readonly { readonly local?: string; readonly scope?: string }[];
}

/** Every interface of this network namespace. */
export async function readInterfaces(host: Host): Promise<readonly Interface[]> {
  return (await json(host, ["ip", "-json", "address", "show"])) as readonly Interface[];
}

/** The interface that has this address. */
export function holderOf(interfaces: readonly Interface[], ip: Ip): SessionProbe["holder"] {
  const holder = interfaces.find(({ addr_info }) => addr_info.some(({ local }) => sameIp(local, ip)));
  if (holder === undefined) return undefined;
  return {
    interface: holder.ifname,
    up: holder.flags.includes("UP") && !isWithoutCarrier(holder),
    mac: holder.address ?? "",
  };
}

/** How the kernel would send to `destination` from `source`. */
export async function readRoute(
  host: Host,
  { source, destination }: { readonly source: Ip | undefined; readonly destination: Ip },
): Promise<Omit<SessionProbe["route"], "mtu">> {
  const from = source === undefined ? [] : ["from", source];
  try {
    const answer = await json(host, ["ip", "-json", "route", "get", destination, ...from]);
    const [route] = answer as readonly RouteAnswer[];
    if (route === undefined) return { kind: "none" };
    return {
      kind: route.type === "local" ? "local" : "unicast",
      ...(route.dev === undefined ? {} : { interface: route.dev }),
      ...(route.gateway === undefined ? {} : { gateway: parseIp(route.gateway) }),
      ...(route.prefsrc === undefined ? {} : { source: parseIp(route.prefsrc) }),
    };
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return { kind: refusals.find(([said]) => error.stderr.includes(said))?.[1] ?? "none" };
  }
}

/** What ARP or neighbour discovery knows of an address; undefined when it was never asked. */
export async function readNextHop(host: Host, ip: Ip, link: string): Promise<SessionProbe["nextHop"]> {
  const entries = (await json(host, [
    "ip",
    "-json",
    "neighbour",
    "show",
    "to",
    ip,
    "dev",
    link,
  ])) as readonly NeighbourAnswer[];
  const [entry] = entries;
  if (entry === undefined) return undefined;
  return { ip, state: entry.state?.[0] ?? "NONE", ...(entry.lladdr === undefined ? {} : { mac: entry.lladdr }) };
}

/** The programs that listen on a TCP port, by process ID; those of other pid namespaces are not seen. */
export async function readListeners(host: Host, port: number): Promise<SessionProbe["listeners"]> {
  const { stdout } = await host.run(["ss", "-H", "-O", "-t", "-n", "-l", "-p", `sport = :${port}`], quick);
  const found = [...stdout.matchAll(/\("((?:[^"\\]|\\.)*)",pid=(\d+),fd=\d+\)/g)];
  const byPid = new Map(found.map(([, program = "", pid]) => [Number(pid), program]));
  return [...byPid].map(([pid, program]) => ({ program, pid }));
}

/** The established connections from our BGP port or to one of the neighbours' ports, by the neighbour's address. */
export async function readConnections(
  host: Host,
  ownPort: number,
  ports: readonly number[],
): Promise<ReadonlyMap<Ip, BgpConnection>> {
  const to = [...new Set(ports)].flatMap((port) => ["or", "dport", "=", `:${port}`]);
  const filter = ["(", "sport", "=", `:${ownPort}`, ...to, ")"];
  const { stdout } = await host.run(["ss", "-H", "-O", "-t", "-n", "-i", "state", "established", ...filter], quick);
  const found = stdout.split("\n").map((line) => connectionIn(line, ownPort));
  return new Map(found.filter((one) => one !== undefined));
}

/** How often the kernel dropped segments since it started, by the names of /proc/net/netstat. */
export async function readDropped(host: Host): Promise<SessionProbe["dropped"]> {
  const text = (await host.readFile("/proc/net/netstat")) ?? "";
  const lines = text.split("\n").filter((line) => line.startsWith("TcpExt:"));
  const [names = [], values = []] = lines.map((line) => line.split(" "));
  const countOf = (name: string) => Number(values[names.indexOf(name)] ?? 0);
  return {
    md5NotFound: countOf("TCPMD5NotFound"),
    md5Unexpected: countOf("TCPMD5Unexpected"),
    md5Failure: countOf("TCPMD5Failure"),
    minTtl: countOf("TCPMinTTLDrop"),
  };
}

// --- internal ---

const quick = { timeoutMs: 2_000 } as const;

interface RouteAnswer {
  readonly type?: string;
  readonly dev?: string;
  readonly gateway?: string;
  readonly prefsrc?: string;
}

interface NeighbourAnswer {
  readonly state?: readonly string[];
  readonly lladdr?: string;
}

/** What `ip route get` says of ENETUNREACH, EHOSTUNREACH, EINVAL and EACCES, which are its kinds of routes. */
const refusals: readonly (readonly [string, SessionProbe["route"]["kind"]])[] = [
  ["Network is unreachable", "none"],
  ["No route to host", "unreachable"],
  ["Invalid argument", "blackhole"],
  ["Permission denied", "prohibit"],
];

async function json(host: Host, argv: readonly [string, ...string[]]): Promise<unknown> {
  const { stdout } = await host.run(argv, quick);
  return JSON.parse(stdout.trim() === "" ? "[]" : stdout);
}

function sameIp(text: string | undefined, ip: Ip): boolean {
  return text !== undefined && isIp(text) && parseIp(text) === ip;
}

function isWithoutCarrier({ flags }: Interface): boolean {
  return flags.includes("NO-CARRIER");
}

/** `0  0  172.18.1.2:179  172.18.1.3:41972  cubic … backoff:2 … unacked:3 … lastrcv:552 …`, as `ss -i` prints a connection. */
function connectionIn(line: string, ownPort: number): readonly [Ip, BgpConnection] | undefined {
  const match = /^\d+\s+(\d+)\s+\S+:(\d+)\s+(\S+):\d+\s(.*)$/.exec(line.trim());
  const peer = match?.[3]
    ?.replace(/^\[(.*)\]$/, "$1")
    .replace(/^::ffff:(?=\d+\.)/, "")
    .replace(/%.*$/, "");
  if (match === null || peer === undefined || !isIp(peer)) return undefined;
  const numberOf = (name: string) => Number(new RegExp(`(?:^|\\s)${name}:(\\d+)`).exec(match[4] ?? "")?.[1] ?? 0);
  const connection = {
    isClient: Number(match[2]) !== ownPort,
    unacknowledged: numberOf("unacked"),
    backoff: numberOf("backoff"),
    sendQueueBytes: Number(match[1]),
    receivedMsAgo: numberOf("lastrcv"),
  };
  return [parseIp(peer), connection];
}
