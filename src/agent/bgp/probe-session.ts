import type { SessionProbe } from "../../api/bgp-probe.ts";
import { bgpPort } from "../../bgp/plan/bgp-settings.ts";
import type { Session } from "../../bgp/plan/bird-config.ts";
import type { Host } from "../../host/host.ts";
import type { Clock } from "../../net/clock.ts";
import type { Ip } from "../../net/ip.ts";
import { holderOf, type Interface, readDropped, readListeners, readNextHop, readRoute } from "./probe-kernel.ts";
import { probeWindow, type WindowResult } from "./probe-window.ts";

/** What is to be probed, and by whom. */
export interface SessionProbeRequest {
  readonly session: Session;
  /** Where this node's BIRD listens. */
  readonly listenPort: number;
  readonly interfaces: readonly Interface[];
  readonly windowMs: number;
  readonly isEstablished: boolean;
}

/**
 * Finds out about the way to one neighbour: this node's kernel first, then the wire. Takes `windowMs` and a little more, or
 * milliseconds when the session is established and the neighbour answers.
 */
export async function probeSession(
  { host, clock }: { readonly host: Host; readonly clock: Clock },
  { session, listenPort, interfaces, windowMs, isEstablished }: SessionProbeRequest,
): Promise<SessionProbe> {
  const { neighbor } = session;
  const [route, listeners, before] = await Promise.all([
    readRoute(host, { source: session.source, destination: neighbor }),
    readListeners(host, listenPort),
    readDropped(host),
  ]);
  const source = session.source ?? route.source;
  const mtu = interfaces.find(({ ifname }) => ifname === route.interface)?.mtu;
  const wire = await askWire(source, {
    ...{ neighbor, listenPort, windowMs, endsEarly: isEstablished, mtu: mtu ?? smallestMtu },
    ...{ port: session.port ?? bgpPort, password: session.password },
    ttl: session.ttlSecurityHops === undefined ? undefined : 255,
  });
  const link = route.interface;
  const nextHop =
    link === undefined || route.kind === "local" ? undefined : await readNextHop(host, route.gateway ?? neighbor, link);
  const holder = source === undefined ? undefined : holderOf(interfaces, source);
  return {
    ...(source === undefined ? {} : { source }),
    ...(holder === undefined ? {} : { holder }),
    macs: interfaces.flatMap(({ address }) => address ?? []),
    route: { ...route, ...(mtu === undefined ? {} : { mtu }) },
    ...(nextHop === undefined ? {} : { nextHop }),
    listeners,
    ...wire,
    dropped: difference(before, await readDropped(host)),
  };

  async function askWire(
    from: Ip | undefined,
    request: Omit<Parameters<typeof probeWindow>[0], "source">,
  ): Promise<WindowResult> {
    if (from !== undefined) return probeWindow({ ...request, source: from }, clock);
    const syn = { outcome: "no source", bytes: 0 } as const;
    return { syn, echo: "unreachable", heard: { packets: 0, md5: { none: 0, right: 0, wrong: 0 } } };
  }
}

// --- internal ---

/** RFC 8200 section 5. */
const smallestMtu = 1_280;

function difference(before: SessionProbe["dropped"], after: SessionProbe["dropped"]): SessionProbe["dropped"] {
  return {
    md5NotFound: after.md5NotFound - before.md5NotFound,
    md5Unexpected: after.md5Unexpected - before.md5Unexpected,
    md5Failure: after.md5Failure - before.md5Failure,
    minTtl: after.minTtl - before.minTtl,
  };
}
